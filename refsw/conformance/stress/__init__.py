"""13.13 The stress class: streams that are generated, long or as large as a level allows, and how they are fed."""
