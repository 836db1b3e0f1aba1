"""What 8.3 of the specification says of the forms of PNG, JPEG and JPEG 2000 images, chunk by chunk and marker by
marker; part of dfc_decoder.py. Each function gives what an image decoder has to see of the image, or raises Reject.
"""
import zlib

from dfc_video import Reject, need

def word(data, pos, n):
    """n bytes at pos, most significant first; 0 where they are not there."""
    return int.from_bytes(data[pos:pos + n], "big")

def png(data, height, width, depth):
    """8.3.2: the datastream without ancillary chunks."""
    chunks, pos = [], 8
    while pos < len(data):
        chunks.append(data[pos:pos + 12 + word(data, pos, 4)])
        pos += 12 + word(data, pos, 4)
    critical = [chunk for chunk in chunks if not (chunk + bytes(8))[4] & 0x20]
    names = [chunk[4:8] for chunk in critical]
    need(data[:8] == b"\x89PNG\r\n\x1a\n" and pos == len(data) and len(names) > 2, "image.png")
    need(names == [b"IHDR", *[b"IDAT"] * (len(names) - 2), b"IEND"], "image.png", f"chunks {names}"[:90])
    need((chunks[0], chunks[-1]) == (critical[0], critical[-1]) and len(critical[-1]) == 12, "image.png")
    need(all(zlib.crc32(chunk[4:-4]) == word(chunk, len(chunk) - 4, 4) for chunk in critical), "image.format", "CRC")
    head = critical[0][8:-4]
    need(len(head) == 13 and head[9:12] == bytes(3) and head[12] <= 1, "image.png", "IHDR")
    need(head[8] == depth, "image.grey", f"{head[8]} bits")
    need((word(head, 4, 4), word(head, 0, 4)) == (height, width), "image.size")
    passes = [(0, 0, 1, 1)] if not head[12] else [                                 # first row, column, steps (Adam7)
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    sizes = [(-(-(height - y) // rows), -(-(width - x) // columns)) for y, x, rows, columns in passes]
    size = sum(h * (1 + w * depth // 8) for h, w in sizes if h > 0 and w > 0)
    expander = zlib.decompressobj()
    try:
        rows = expander.decompress(b"".join(chunk[8:-4] for chunk in critical[1:-1]), size + 1)
    except zlib.error as error:
        raise Reject("image.format", str(error)) from error
    need(len(rows) == size and expander.eof and not expander.unused_data, "image.png-data")
    return data[:8] + b"".join(critical)

def segments(data, pos):
    """Marker and bytes of the segments from pos on, up to one that is followed by coded data, and where that ends."""
    while True:
        while data[pos:pos + 2] == b"\xff\xff":             # fill bytes
            pos += 1
        need(data[pos:pos + 1] == b"\xff" and pos + 4 <= len(data), "image.jpeg", "no marker")
        end = pos + 2 + word(data, pos + 2, 2)
        yield data[pos + 1], data[pos:end], end
        pos = end

def jpeg(data, height, width):
    """8.3.3: the image without APPn and COM segments."""
    need(data[:2] == b"\xff\xd8", "image.jpeg", "no SOI")
    kept, frame, scan, tables = [data[:2]], b"", b"", set()
    for marker, segment, pos in segments(data, 2):
        if marker in range(0xC0, 0xD0) and marker != 0xC4:       # JPG and DAC as well
            need(marker == 0xC0 and not frame, "image.jpeg", "frames")
            frame = segment
        body = segment[4:]
        while marker in (0xC4, 0xDB) and body:              # DHT, DQT
            kind, number = body[0] >> 4, body[0] & 15
            need(kind < 2 and number < 2 if marker == 0xC4 else body[0] < 4, "image.jpeg", "a table of no baseline image")
            tables.add((marker, kind, number))
            body = body[1 + (16 + sum(body[1:17]) if marker == 0xC4 else 64):]
        if marker not in (*range(0xE0, 0xF0), 0xFE):
            kept.append(segment)
        if marker == 0xDA:
            scan = segment
            break
    need(len(frame) == 13 and frame[4] == 8 and frame[9] == 1, "image.grey" if frame[9:10] > b"\1" else "image.jpeg")
    need(word(frame, 5, 2) and frame[11] == 0x11 and len(scan) == 10 and scan[4] == 1, "image.jpeg")
    need(scan[7:] == b"\0\x3f\0", "image.jpeg", "a scan that is not sequential")
    need((word(frame, 5, 2), word(frame, 7, 2)) == (height, width), "image.size")
    used = {(0xDB, 0, frame[12]), (0xC4, 0, scan[6] >> 4), (0xC4, 1, scan[6] & 15)}
    need(used <= tables, "image.jpeg", "a table is missing")
    start = pos
    while pos < len(data) and (data[pos] != 0xFF or data[pos + 1:pos + 2] in (b"\0", b"\xff", *RESTARTS)):
        pos += 1
    need(data[pos:] == b"\xff\xd9", "image.jpeg", "no EOI at the end of the scan")
    return b"".join(kept) + data[start:]

RESTARTS = [bytes([marker]) for marker in range(0xD0, 0xD8)]

def jpeg2000(data, height, width, depth):
    """8.3.4: the codestream as it is."""
    need(len(data) > 46 and data[:4] == b"\xff\x4f\xff\x51" and data[-2:] == b"\xff\xd9", "image.jpeg2000", "no codestream")
    right, lower, left, upper = (word(data, pos, 4) for pos in (8, 12, 16, 20))
    need(word(data, 40, 2) == 1, "image.grey", "components")
    need(data[42] & 0x7F == depth - 1, "image.grey", "precision")
    need(data[6] < 0x40 and data[42] < 0x80 and data[43:45] == b"\1\1", "image.jpeg2000", "SIZ")
    need(not (left or upper or word(data, 32, 8)), "image.jpeg2000", "offsets")
    need((lower, right) == (height, width), "image.size")
    pos, part_end = 4 + word(data, 4, 2), None
    while data[pos:pos + 2] != b"\xff\xd9":
        marker = word(data, pos, 2)
        if marker == 0xFF93:                                # SOD: on to the end of the tile-part
            need(part_end and part_end >= pos + 2, "image.jpeg2000", "SOD")
            pos, part_end = part_end, None
            continue
        if marker == 0xFF90:                                # SOT
            length = word(data, pos + 6, 4)
            part_end = pos + length if length else len(data) - 2
        start = {0xFF52: pos + 9, 0xFF53: pos + 6}.get(marker)   # COD, COC: SPcod or SPcoc
        need(not start or (word(data, start + 3, 1) & 0x40 == 0 and word(data, start + 4, 1) == 1), "image.jpeg2000", "COD")
        need(data[pos:pos + 1] == b"\xff" and pos + 4 <= len(data), "image.jpeg2000", "no marker")
        pos += 2 + word(data, pos + 2, 2)
    need(pos == len(data) - 2, "image.jpeg2000", "data after EOC")
    return data
