/* A decoder of Deep Feature Coding bitstreams of the profile LOSSLESS, in C with zlib: an example of what somebody
   else's decoder is. It reads IN, writes all tensors to OUT in the raw form (13.6.4), and ends with 0, 65 or 69.

       cc -O1 -ffp-contract=off -o dfc_lossless dfc_lossless.c -lz -lm
       refsw conformance run SUITE --decoder './dfc_lossless {input} {output}' --profile LOSSLESS

   It lacks LZMA, and the logarithmic quantizers where long double does not settle the last bit: these are
   unsupported (69), unless it is given liblzma and libquadmath: -DWITH_LZMA -llzma, -DWITH_QUADMATH -lquadmath.
   The machine is little-endian. Clauses of the specification stand in the comments. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#ifdef WITH_LZMA
#include <lzma.h>
#endif
#ifdef WITH_QUADMATH
#include <quadmath.h>
#endif

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
enum { C, H, W, N, T };
enum { NONE, UNIFORM, LOG, LOG_NONNEGATIVE };
enum { SAMPLE, SEQUENCE, CHANNEL };
enum { STORED, ZLIB, GZIP, LZMA };

static void leave(int code, const char *why) { fprintf(stderr, "%s\n", why); exit(code); }
static void need(int holds, const char *requirement) { if (!holds) leave(65, requirement); }
static void unsupported(int is, const char *why) { if (is) leave(69, why); }
static void *get(u64 size) { void *p = calloc(size ? size : 1, 1); unsupported(!p, "level.capacity"); return p; }

/* ---- SHA-256 (FIPS 180-4) */
typedef struct { u32 h[8]; u8 block[64]; u64 n; } Sha;
static u32 K[64];
static u32 root(int prime, double power) { double r = pow(prime, power); return (u32)((r - floor(r)) * 4294967296.0); }
static void sha_start(Sha *s) {
    int p = 2, n = 0;
    for (; n < 64; p++) {
        int prime = 1;
        for (int d = 2; d * d <= p; d++) prime &= p % d != 0;
        if (!prime) continue;
        if (n < 8) s->h[n] = root(p, 0.5);
        K[n++] = root(p, 1.0 / 3);
    }
    s->n = 0;
}
static u32 turn(u32 x, int n) { return x >> n | x << (32 - n); }
static void sha_block(Sha *s) {
    u32 w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (u32)s->block[4 * i] << 24 | s->block[4 * i + 1] << 16 | s->block[4 * i + 2] << 8 | s->block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3)
             + (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, s->h, 32);
    for (int i = 0; i < 64; i++) {
        u32 a = v[0], e = v[4];
        u32 t1 = v[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + K[i] + w[i];
        u32 t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 28);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) s->h[i] += v[i];
}
static void sha_add(Sha *s, const void *data, u64 n) {
    for (const u8 *p = data; n--; p++) {
        s->block[s->n++ % 64] = *p;
        if (s->n % 64 == 0) sha_block(s);
    }
}
static void sha_end(Sha *s, u8 out[32]) {
    u64 bits = 8 * s->n;
    u8 one = 0x80, zero = 0, length[8];
    for (int i = 0; i < 8; i++) length[i] = (u8)(bits >> (56 - 8 * i));
    for (sha_add(s, &one, 1); s->n % 64 != 56;) sha_add(s, &zero, 1);
    sha_add(s, length, 8);
    for (int i = 0; i < 32; i++) out[i] = (u8)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

/* ---- descriptors (4.3) over a unit body */
typedef struct { const u8 *data; u64 bits, pos; } Bits;
static u32 u(Bits *r, int n) {
    u64 value = 0;
    need(r->bits - r->pos >= (u64)n, "unit.complete-element");
    for (; n--; r->pos++) value = value << 1 | (r->data[r->pos / 8] >> (7 - r->pos % 8) & 1);
    return (u32)value;
}
static u64 ue(Bits *r) {
    int k = 0;
    while (!u(r, 1)) need(++k <= 31, "descriptor.ue-prefix");
    return ((u64)1 << k) - 1 + u(r, k);
}
static u64 ue_to(Bits *r, u64 most) { u64 value = ue(r); need(value <= most, "syntax.bounds"); return value; }
static float f32(Bits *r) {
    u32 word = u(r, 32);
    float value;
    need((word & 0x7F800000) != 0x7F800000 && word != 0x80000000, "descriptor.f32");
    memcpy(&value, &word, 4);
    return value;
}
static u8 *b(Bits *r, u64 n) {
    need((r->bits - r->pos) / 8 >= n, "unit.complete-element");
    u8 *out = get(n + 1);
    for (u64 i = 0; i < n; i++) out[i] = (u8)u(r, 8);
    return out;
}
static void align(Bits *r) { need(u(r, (int)(-r->pos & 7)) == 0, "descriptor.alignment-zero"); }
static int is_utf8(const u8 *s, u64 n) {
    for (u64 i = 0; i < n;) {
        int more = s[i] < 0x80 ? 0 : s[i] >= 0xC2 && s[i] < 0xE0 ? 1 : s[i] >= 0xE0 && s[i] < 0xF0 ? 2
                 : s[i] >= 0xF0 && s[i] < 0xF5 ? 3 : -1;
        if (more < 0 || i + more >= n) return 0;
        if ((s[i] == 0xE0 && s[i + 1] < 0xA0) || (s[i] == 0xED && s[i + 1] > 0x9F)) return 0;
        if ((s[i] == 0xF0 && s[i + 1] < 0x90) || (s[i] == 0xF4 && s[i + 1] > 0x8F)) return 0;
        for (i++; more--; i++) if ((s[i] & 0xC0) != 0x80) return 0;
    }
    return 1;
}

/* ---- state */
static const char *TYPES[] = {"float32", "float16", "bfloat16", "float64", "uint8", "int8", "uint16", "int16",
                              "uint32", "int32", "uint64", "int64", "bool"};
static const int SIZES[] = {4, 2, 2, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1};
static const int LIMITS[][3] = {{20, 24, 28}, {22, 26, 28}, {12, 13, 14}, {22, 25, 28}, {12, 14, 16}, {25, 29, 31},
                                {3, 4, 6}}; /* 11.3, powers of two */
enum { SAMPLE_ELEMENTS, UNIT_ELEMENTS, SIDE, PICTURE_ELEMENTS, UNIT_PICTURES, UNIT_BYTES, PARAMETER_SETS };
typedef struct {
    u8 *body, *name, *out;
    u64 body_length, name_length, id, extent[5], elements, R, G, width, height, coded_count, pictures, samples, kept;
    u32 *coded;
    int axes, role[4], many, type, quantizer, depth, scope, codec, layout, announced[2], word;
    float (*ranges)[2];
    u64 digested[2];
    Sha sha[2];
} Tensor;
static Tensor *tensors[64];
static int tensor_count, minor, level;
static u64 last_first;

static void limit(int what, u64 value) { need(value <= (u64)1 << LIMITS[what][level - 1], "level.limits"); }
static u64 known(u64 value, u64 most) { /* 5.5, 6.2 */
    if (value > most) leave(minor ? 69 : 65, "syntax.reserved");
    return value;
}
static u32 big_endian(const u8 *p) { return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static u32 crc(const u8 *p, u64 n) { return (u32)crc32_z(0, p, n); }
static void sha_open(Tensor *t, int kind) { /* 9.5.1 */
    char text[128];
    int n = sprintf(text, "%s ", kind ? "levels" : TYPES[t->type]), first = 1;
    for (int i = 0; i < (kind ? 3 : t->axes); i++)
        if (kind || t->role[i] <= W) {
            n += sprintf(text + n, "%s%llu", first ? "" : "x", (unsigned long long)t->extent[kind ? i : t->role[i]]);
            first = 0;
        }
    text[n++] = '\n';
    sha_start(&t->sha[kind]);
    sha_add(&t->sha[kind], text, (u64)n);
}

/* ---- feature parameter set (6.5, 9.2) */
static void read_ranges(Bits *r, Tensor *t, float (*ranges)[2], u64 count) {
    for (u64 i = 0; i < count; i++) {
        ranges[i][0] = t->quantizer == LOG_NONNEGATIVE ? 0 : f32(r);
        ranges[i][1] = f32(r);
        need(ranges[i][0] <= ranges[i][1], "range.order");
    }
}
static Tensor *parameter_set(Bits *r) {
    Tensor *t = get(sizeof *t);
    int seen[5] = {0};
    t->body = (u8 *)r->data;
    t->body_length = r->bits / 8;
    t->id = ue_to(r, 63);
    for (int i = 0; i < 2; i++) {
        t->name_length = u(r, 8);
        t->name = b(r, t->name_length);
        need(is_utf8(t->name, t->name_length), "fps.utf8");
        for (u64 k = 0; k < t->name_length; k++) need(t->name[k] >= 32 && t->name[k] != 127, "fps.name-characters");
    }
    if (!t->name_length) {
        t->name = get(32);
        t->name_length = (u64)sprintf((char *)t->name, "tensor%d", (int)t->id);
    }
    if (u(r, 1)) b(r, 32);
    t->axes = (int)u(r, 2) + 1;
    for (int i = 0; i < 5; i++) t->extent[i] = 1;
    for (int i = 0; i < t->axes; i++) {
        int role = t->role[i] = (int)known(u(r, 3), T);
        if (role <= W) t->extent[role] = ue_to(r, (1 << 24) - 1) + 1;
        if (role == T) {
            need(u(r, 32) != 0, "feature_parameter_set.time_scale");
            need(u(r, 32) != 0, "feature_parameter_set.time_step");
        }
        need(!seen[role]++, "fps.axis-once");
        need(role <= W || i == 0, "fps.sample-axis-first");
    }
    t->many = t->role[0] >= N;
    need(t->axes > t->many, "fps.sample-has-axis");
    t->type = (int)known(u(r, 4), 12);
    t->quantizer = (int)u(r, 2);
    t->scope = SEQUENCE;
    t->word = SIZES[t->type];
    if (t->quantizer != NONE) {
        t->depth = (int)u(r, 4) + 1;
        t->word = t->depth <= 8 ? 1 : 2;
        t->scope = (int)known(u(r, 2), CHANNEL);
        need(t->scope != CHANNEL || t->extent[C] <= 65536, "feature_parameter_set.range_scope");
        u64 count = t->scope == SAMPLE ? 0 : t->scope == SEQUENCE ? 1 : t->extent[C];
        t->ranges = get(count * sizeof *t->ranges);
        read_ranges(r, t, t->ranges, count);
        need(t->type <= 3, "fps.quantized-type");
    }
    t->codec = (int)known(u(r, 8), 8);
    need(t->codec <= LZMA, "profile.codec");
    t->layout = (int)known(u(r, 2), 2);
    t->R = t->layout ? ue_to(r, (1 << 24) - 1) + 1 : 1;
    t->G = t->layout ? ue_to(r, (1 << 24) - 1) + 1 : 1;
    t->width = ue(r) + 1;
    t->height = ue(r) + 1;
    u64 cs = t->extent[C], rows = t->extent[H], columns = t->extent[W];
    int ordered = (int)u(r, 1), bits = 1;
    need(!ordered || cs <= 65536, "feature_parameter_set.channel_order_flag");
    limit(SAMPLE_ELEMENTS, cs * rows);
    t->elements = cs * rows * columns;
    limit(SAMPLE_ELEMENTS, t->elements);
    t->coded = get(4 * cs);
    u8 *used = get(cs);
    while (cs > (u64)1 << bits) bits++;
    for (u64 k = 0; k < cs; k++) {
        u32 channel = ordered ? u(r, bits) : (u32)k;
        need(channel < cs, "feature_parameter_set.channel_order");
        need(!used[channel]++, "fps.channel-order");
        if (t->scope != CHANNEL || t->ranges[channel][0] < t->ranges[channel][1]) t->coded[t->coded_count++] = channel;
    }
    t->announced[0] = (int)u(r, 1);
    t->announced[1] = (int)u(r, 1);
    need(t->quantizer != NONE || !t->announced[1], "feature_parameter_set.levels_digest_flag");
    need(ue(r) == 0, "bytes.no-configuration");
    align(r);
    need(t->width >= t->G * columns && t->width < t->G * columns + 64, "fps.coded-size");
    need(t->height >= t->R * rows && t->height < t->R * rows + 64, "fps.coded-size");
    need(t->R * t->G < 2 * cs + 64, "fps.grid-cells");
    limit(SIDE, t->width > t->height ? t->width : t->height);
    limit(PICTURE_ELEMENTS, t->width * t->height);
    t->pictures = (t->coded_count + t->R * t->G - 1) / (t->R * t->G);
    sha_open(t, 0);
    sha_open(t, 1);
    return t;
}
static void add_tensor(Bits *r) {
    Tensor *t = parameter_set(r);
    for (int i = 0; i < tensor_count; i++) {
        Tensor *o = tensors[i];
        if (o->id == t->id) {
            need(o->body_length == t->body_length && !memcmp(o->body, t->body, t->body_length),
                 "order.parameter-set-repeated");
            return;
        }
        need(o->name_length != t->name_length || memcmp(o->name, t->name, t->name_length), "fps.layer-id-unique");
    }
    limit(PARAMETER_SETS, (u64)tensor_count + 1);
    tensors[tensor_count++] = t;
}
static Tensor *active(Bits *r) {
    u64 id = ue_to(r, 63);
    for (int i = 0; i < tensor_count; i++) if (tensors[i]->id == id) return tensors[i];
    need(0, "order.parameter-set-first");
    return NULL;
}

/* ---- payload (8.2) */
#ifdef WITH_LZMA
static void expand_xz(const u8 *payload, u64 length, u8 *out, u64 size) {
    lzma_stream z = LZMA_STREAM_INIT;
    need(length > 15, "bytes.format");
    u64 at = 14, sizes = (payload[13] >> 6 & 1) + (payload[13] >> 7);
    for (; sizes && at < length; at++) sizes -= payload[at] < 0x80;
    need(payload[12] && !(payload[13] & 0x3f) && at + 2 < length && payload[at] == 0x21, "bytes.xz");
    need(payload[at + 2] <= 28, "bytes.lzma-memory");
    need(lzma_stream_decoder(&z, UINT64_MAX, LZMA_TELL_UNSUPPORTED_CHECK) == LZMA_OK, "bytes.format");
    z.next_in = payload, z.avail_in = length;
    z.next_out = out, z.avail_out = size + 1;
    lzma_ret ended = lzma_code(&z, LZMA_FINISH);
    need(z.total_out <= size, "bytes.size");
    need(ended == LZMA_STREAM_END, "bytes.format");
    need(z.total_out == size, "bytes.size");
    need(z.avail_in == 0, "bytes.trailing");
    u32 index = payload[length - 8] | (u32)payload[length - 7] << 8; /* its length in words, less 1; one block: short */
    need(payload[length - 12 - 4 * ((u64)index + 1) + 1] == 1, "bytes.xz");
    lzma_end(&z);
}
#endif
static u8 *pictures_of(Tensor *t, const u8 *payload, u64 length, u64 count) {
    u64 size = count * t->width * t->height * (u64)t->word;
    u8 *out = get(size + 1);
    if (!count) need(!length, "payload.empty");
    else if (t->codec == STORED) {
        need(length == size, "bytes.size");
        memcpy(out, payload, size);
    } else {
#ifdef WITH_LZMA
        if (t->codec == LZMA) expand_xz(payload, length, out, size);
#else
        unsupported(t->codec == LZMA, "LZMA is not implemented");
#endif
    }
    if (count && (t->codec == ZLIB || t->codec == GZIP)) {
        z_stream z = {0};
        need(inflateInit2(&z, t->codec == ZLIB ? 15 : 31) == Z_OK, "bytes.format");
        z.next_in = (u8 *)payload, z.avail_in = (uInt)length;
        z.next_out = out, z.avail_out = (uInt)(size + 1);
        int ended = inflate(&z, Z_FINISH);
        need(z.total_out <= size, "bytes.size");
        need(ended == Z_STREAM_END, "bytes.format");
        need(z.total_out == size, "bytes.size");
        need(z.avail_in == 0, "bytes.trailing");
        inflateEnd(&z);
    }
    for (u64 i = 0; i < size; i += (u64)t->word) {
        u32 value = t->word == 1 ? out[i] : out[i] | (u32)out[i + 1] << 8;
        if (t->quantizer) need(value >> t->depth == 0, "payload.level-range");
        else if (t->type == 12) need(value <= 1, "bytes.bool");
    }
    return out;
}

/* ---- dequantization (7.4) */
static float clip(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }
static float value_of(Tensor *t, u32 q, float lo, float hi) {
    u32 top = ((u32)1 << t->depth) - 1;
    if (lo == hi) return lo;
    if (t->quantizer == UNIFORM) {
        double d = (double)hi - (double)lo, x = (double)q * d;
        x = x / (double)top;
        x = (double)lo + x;
        x = x < (double)lo ? (double)lo : x > (double)hi ? (double)hi : x;
        return (float)x;
    }
    unsupported(LDBL_MANT_DIG < 64, "logarithmic quantizers need a long double of 64 bits");
    long double g = expm1l((long double)q / top * log1pl((long double)hi - lo)), x = lo + g;
    long double e = 1e-15L * (g + fabsl(x)); /* bounds the error of x */
    float a = clip((float)(x - e), lo, hi), z = clip((float)(x + e), lo, hi);
#ifdef WITH_QUADMATH
    if (a != z) { /* what is still unsettled lies so near to 0 or to the middle of two numbers that it is that */
        __float128 p = expm1q((__float128)q / top * log1pq((__float128)hi - lo)), y = lo + p;
        __float128 d = 1e-30Q * (p + fabsq(y));
        float below = (float)(y - d), above = (float)(y + d);
        float nearest = below == above ? below : below < 0 && above > 0 ? 0 : (float)(((__float128)below + above) / 2);
        return clip(nearest, lo, hi);
    }
#endif
    unsupported(a != z, "a logarithmic level that long double does not settle");
    return a;
}
static void put(Tensor *t, float v, u8 *out) { /* 7.4.4 */
    u32 word, sign;
    if (t->type == 1) v = clip(v, -65504, 65504);
    if (t->type == 2) v = clip(v, -255 * 0x1p120f, 255 * 0x1p120f);
    v = v == 0 ? 0 : v;
    if (t->type == 3) {
        double wide = v;
        memcpy(out, &wide, 8);
        return;
    }
    memcpy(&word, &v, 4);
    sign = word >> 31;
    if (t->type == 1) {
        double x = fabs((double)v), step = x < 0x1p-14 ? 0x1p-24 : ldexp(1, ilogb(x) - 10);
        double n = nearbyint(x / step) * step; /* to nearest, ties to even; exact */
        int e = n < 0x1p-14 ? -14 : ilogb(n);
        word = (u32)(ldexp(n, 10 - e)) + (n < 0x1p-14 ? 0 : (u32)(e + 14) << 10);
        word |= (n == 0 ? 0 : sign) << 15;
    } else if (t->type == 2) {
        word = (word + 0x7FFF + (word >> 16 & 1)) >> 16;
        if (word == 0x8000) word = 0;
    }
    for (int i = 0; i < SIZES[t->type]; i++) out[i] = (u8)(word >> 8 * i);
}

/* ---- feature data (6.6, 9.4) */
static void add_sample(Tensor *t, const u8 *pictures, int coded, float (*ranges)[2]) {
    static float table[65536];
    static u8 ready[65536];
    u64 size = (u64)SIZES[t->type], rows = t->extent[H], columns = t->extent[W], cells = t->R * t->G;
    u64 stride[3] = {0, 0, 0}, step = size;
    u8 *out = t->out + t->samples * t->elements * size;
    u8 *levels = get(t->announced[1] ? 2 * t->elements : 0);
    for (int i = t->axes - 1; i >= 0; i--)
        if (t->role[i] <= W) stride[t->role[i]] = step, step *= t->extent[t->role[i]];
    u32 *place = get(4 * t->extent[C]); /* of a channel among the coded ones, plus 1 */
    if (coded) for (u64 k = 0; k < t->coded_count; k++) place[t->coded[k]] = (u32)k + 1;
    for (u64 c = 0; c < t->extent[C]; c++) {
        float lo = 0, hi = 0;
        if (t->quantizer) lo = ranges[t->scope == CHANNEL ? c : 0][0], hi = ranges[t->scope == CHANNEL ? c : 0][1];
        if (c == 0 || t->scope == CHANNEL) memset(ready, 0, sizeof ready);
        for (u64 y = 0; y < rows; y++)
            for (u64 x = 0; x < columns; x++) {
                u8 *to = out + c * stride[C] + y * stride[H] + x * stride[W];
                u32 q = 0;
                if (place[c]) { /* 7.5.2 */
                    u64 k = place[c] - 1, p = k / cells, j = k % cells, row = j / t->G, column = j % t->G;
                    row = t->layout == 2 ? y * t->R + row : row * rows + y;
                    column = t->layout == 2 ? x * t->G + column : column * columns + x;
                    const u8 *from = pictures + ((p * t->height + row) * t->width + column) * (u64)t->word;
                    if (!t->quantizer) {
                        memcpy(to, from, size);
                        continue;
                    }
                    q = t->word == 1 ? *from : from[0] | (u32)from[1] << 8;
                }
                if (!ready[q]) table[q] = value_of(t, q, lo, place[c] ? hi : lo), ready[q] = 1;
                put(t, table[q], to);
                u64 index = (c * rows + y) * columns + x;
                if (t->announced[1]) levels[2 * index] = (u8)q, levels[2 * index + 1] = (u8)(q >> 8);
            }
    }
    if (t->announced[0]) sha_add(&t->sha[0], out, t->elements * size);
    if (t->announced[1]) sha_add(&t->sha[1], levels, 2 * t->elements);
    free(levels);
    free(place);
    t->samples++;
}
static void feature_data(Bits *r) {
    Tensor *t = active(r);
    u64 first = ue(r), count = ue(r) + 1, size = (u64)SIZES[t->type], total = 0;
    need(first == t->samples, "order.samples");
    need(first >= last_first, "order.access-units");
    need(t->many || first + count == 1, "fps.single-sample");
    last_first = first;
    limit(UNIT_ELEMENTS, count);
    limit(UNIT_ELEMENTS, count * t->elements);
    limit(UNIT_PICTURES, count * ((t->extent[C] + t->R * t->G - 1) / (t->R * t->G)));
    float (*ranges)[2] = t->ranges;
    if (t->quantizer && t->scope == SAMPLE) {
        need(count <= (r->bits - r->pos) / 32, "unit.complete-element");
        ranges = get(count * sizeof *ranges);
        read_ranges(r, t, ranges, count);
    }
    align(r);
    for (u64 s = 0; s < count; s++) {
        float *range = t->quantizer && t->scope != CHANNEL ? ranges[t->scope == SAMPLE ? s : 0] : NULL;
        total += range && range[0] == range[1] ? 0 : t->pictures;
    }
    u8 *pictures = pictures_of(t, r->data + r->pos / 8, (r->bits - r->pos) / 8, total), *next = pictures;
    u64 kept = (t->samples + count) * t->elements * size;
    unsupported(kept > (u64)1 << 32, "level.capacity");
    if (kept > t->kept) {
        t->kept = kept > 2 * t->kept ? kept : 2 * t->kept;
        unsupported(!(t->out = realloc(t->out, t->kept)), "level.capacity");
    }
    for (u64 s = 0; s < count; s++) {
        float (*range)[2] = t->quantizer && t->scope == SAMPLE ? ranges + s : ranges;
        int coded = !(t->quantizer && t->scope != CHANNEL && range[0][0] == range[0][1]) && t->pictures;
        add_sample(t, next, coded, range);
        if (coded) next += t->pictures * t->width * t->height * (u64)t->word;
    }
    free(pictures);
    r->pos = r->bits;
}

/* ---- other units (6.7 to 6.9, 9.5) */
static void digest(Bits *r) {
    u8 found[32];
    Tensor *t = active(r);
    int kind = (int)known(u(r, 2), 1);
    u64 first = ue(r), count = ue(r) + 1, length = u(r, 5) + 1;
    need(length >= 4, "digest.digest_length_minus1");
    u8 *value = b(r, length);
    align(r);
    need(t->announced[kind], "digest.announced");
    need(first == t->digested[kind] && first + count == t->samples, "digest.coverage");
    t->digested[kind] = t->samples;
    sha_end(&t->sha[kind], found);
    need(!memcmp(found, value, length), "digest.value");
    sha_open(t, kind);
}
static void metadata(Bits *r) {
    for (int n = (int)u(r, 8) + 1; n--;)
        for (int i = 0; i < 2; i++) {
            u64 length = u(r, i ? 16 : 8);
            need(i || length, "metadata.key_length");
            need(is_utf8(b(r, length), length), "metadata.utf8");
        }
}
static void end_of_bitstream(Bits *r, u32 chain) {
    u64 count = ue(r);
    need(count >= 1 && count <= 64, "end_of_bitstream.tensor_count");
    for (u64 i = 0; i < count; i++) {
        u64 samples = ue(r);
        need(i >= (u64)tensor_count || samples == tensors[i]->samples, "end.sample-counts");
    }
    align(r);
    need(u(r, 32) == chain, "end.bitstream-crc");
    need(count == (u64)tensor_count, "end.sample-counts");
    for (int i = 0; i < tensor_count; i++) {
        Tensor *t = tensors[i];
        need(t->many || t->samples, "fps.single-sample");
        for (int k = 0; k < 2; k++) need(!t->announced[k] || t->digested[k] == t->samples, "digest.complete");
    }
}

int main(int argc, char **argv) {
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file) leave(66, "usage: dfc_lossless IN OUT");
    u8 *data = NULL;
    u64 size = 0, got = 1;
    for (; got; size += got) {
        unsupported(!(data = realloc(data, size + (1 << 20))), "level.capacity");
        got = fread(data + size, 1, 1 << 20, file);
    }
    need(size >= 4 && !memcmp(data, "\x89" "DFC", 4), "bitstream.signature");
    unsupported(size > 4 && data[4] != 1, "bitstream.version-major");
    need(size >= 12, "bitstream.header-complete");
    need(crc(data, 8) == big_endian(data + 8), "bitstream.header-crc");
    minor = data[5];
    known((u64)data[6] - 1, 4);
    known((u64)data[7] - 1, 2);
    unsupported(data[6] != 3, "another profile than LOSSLESS");
    level = data[7];
    u32 chain = crc(data + 8, 4);
    int kind = 0;
    for (u64 pos = 12; kind != 5;) {
        need(pos < size, "bitstream.end");
        u64 start = pos, length = 0;
        int skippable = data[pos] & 1, shift = 0, more = 1;
        kind = data[pos++] >> 1;
        while (more) {
            need(pos < size, "unit.complete");
            need(shift < 35, "descriptor.leb-length");
            length |= (u64)(data[pos] & 127) << shift;
            more = data[pos++] >> 7;
            shift += 7;
        }
        need(length >> 32 == 0 && (shift == 7 || length >> (shift - 7)), "descriptor.leb-shortest");
        limit(UNIT_BYTES, length);
        need(size - pos >= length + 4, "unit.complete");
        Bits r = {data + pos, 8 * length, 0};
        pos += length;
        need(crc(data + start, pos - start) == big_endian(data + pos), "unit.crc");
        pos += 4;
        if (kind >= 1 && kind <= 5) {
            need(skippable == (kind == 3 || kind == 4), "unit.skippable-known");
            need(tensor_count || kind == 1 || kind == 4, "order.units");
            if (kind == 1) add_tensor(&r);
            if (kind == 2) feature_data(&r);
            if (kind == 3) digest(&r);
            if (kind == 4) metadata(&r);
            if (kind == 5) end_of_bitstream(&r, chain);
            need(minor || r.pos == r.bits, "unit.no-rest");
        } else {
            need(kind != 8 && kind != 9, "profile.model"); /* units of model updates */
            unsupported(!skippable, "unit.unknown");
        }
        chain = (u32)crc32_z(chain, data + pos - 4, 4);
        need(kind != 5 || pos == size, "bitstream.nothing-after-end");
    }
    FILE *out = fopen(argv[2], "wb"); /* only now is all of it known to be right */
    if (!out) leave(73, "cannot write the output");
    for (int i = 0; i < tensor_count; i++) {
        Tensor *t = tensors[i];
        fputs("{\"name\": \"", out);
        for (u64 k = 0; k < t->name_length; k++) {
            if (t->name[k] == '"' || t->name[k] == '\\') fputc('\\', out);
            fputc(t->name[k], out);
        }
        fprintf(out, "\", \"dtype\": \"%s\", \"shape\": [", TYPES[t->type]);
        for (int k = 0; k < t->axes; k++) {
            u64 extent = t->role[k] > W ? t->samples : t->extent[t->role[k]];
            fprintf(out, "%s%llu", k ? ", " : "", (unsigned long long)extent);
        }
        fputs("]}\n", out);
        fwrite(t->out, 1, t->samples * t->elements * (u64)SIZES[t->type], out);
    }
    if (ferror(out) | fclose(out)) leave(74, "cannot write the output");
    return 0;
}
