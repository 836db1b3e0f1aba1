"""Chapter 8: payload codecs, one module each behind the interface of `refsw.payload.base`."""
