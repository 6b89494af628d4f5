#include "index.h"

#include "utf8.h"

/* The same functions for each kind of machine: from 64 bytes the mask of those that are equal to
 * one, from masks the positions. They differ in the first only. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint64_t
up_to(size_t count)
{
    return count >= 64 ? UINT64_MAX : (1ULL << count) - 1;
}

/* Writes in steps of 8 whether there are that many or not: no branch for each position. */
ALWAYS_INLINE size_t
write_positions(uint64_t mask, uint32_t block, uint32_t *positions)
{
    unsigned count = (unsigned)__builtin_popcountll(mask);
    for (unsigned done = 0; done < count; done += 8) {
        for (unsigned i = 0; i < 8; i++) {
            /* the | keeps ctz defined once the mask is used up; those slots are overwritten */
            positions[done + i] = block + (uint32_t)__builtin_ctzll(mask | 1ULL << 63);
            mask &= mask - 1;
        }
    }
    return count;
}

/* What the bytes before a block mean for it. */
typedef struct {
    uint64_t inside;          /* quotes: all bits or none */
    uint64_t after_separator; /* the lowest bit, as of the following */
    uint64_t after_closing;
    uint64_t after_return; /* a CR that follows a closing quote */
} quote_state;

/* Of each bit, whether it and those below it are an odd number. */
ALWAYS_INLINE uint64_t
running_parity(uint64_t mask)
{
    for (unsigned shift = 1; shift < 64; shift *= 2) {
        mask ^= mask << shift;
    }
    return mask;
}

/* Takes those inside quotes from the separators, as far as quotes toggle where they may: the mask
 * of what is not so, whose lowest bit is right. The two quotes that stand for one close and open
 * again. */
ALWAYS_INLINE uint64_t
take_quotes(quote_state *state, uint64_t quotes, uint64_t line_ends, uint64_t returns,
            uint64_t *separators, uint64_t *inner)
{
    uint64_t inside = running_parity(quotes) ^ state->inside;
    uint64_t opening = quotes & inside, closing = quotes & ~inside;
    uint64_t outside = *separators & ~inside;
    uint64_t after_closing = closing << 1 | state->after_closing;
    uint64_t starts = outside << 1 | state->after_separator | after_closing;
    uint64_t others = after_closing & ~(outside | opening);
    uint64_t after_return = others << 1 | state->after_return;
    *separators = outside;
    *inner |= line_ends & inside;
    *state = (quote_state){
        .inside = 0 - (inside >> 63),
        .after_separator = outside >> 63,
        .after_closing = closing >> 63,
        .after_return = others >> 63,
    };
    return (opening & ~starts) | (others & ~returns) | (after_return & ~line_ends);
}

#define DEFINE_INDEXER(NAME, TARGET, EQUAL, HIGH, UTF8)                                           \
    TARGET static pk_indexed special_##NAME(const uint8_t *text, size_t from, size_t to,          \
                                            uint8_t delimiter, uint8_t line_end,                  \
                                            uint32_t *positions)                                  \
    {                                                                                             \
        uint32_t *const begin = positions;                                                        \
        uint64_t high = 0, quotes = 0;                                                            \
        for (; from < to; from += 64) {                                                           \
            const uint8_t *block = text + from;                                                   \
            uint64_t here = up_to(to - from);                                                     \
            uint64_t separators = EQUAL(block, delimiter) | EQUAL(block, line_end);               \
            uint64_t quoted = EQUAL(block, '"');                                                  \
            high |= HIGH(block) & here;                                                           \
            quotes |= quoted & here;                                                              \
            positions += write_positions((separators | quoted) & here, (uint32_t)from, positions); \
        }                                                                                         \
        return (pk_indexed){(size_t)(positions - begin), to, high == 0, quotes != 0, false};      \
    }                                                                                             \
                                                                                                  \
    TARGET static pk_indexed structure_##NAME(const uint8_t *text, size_t from, size_t to,        \
                                              uint8_t delimiter, uint8_t line_end,                \
                                              uint32_t *positions)                                \
    {                                                                                             \
        uint32_t *const begin = positions;                                                        \
        uint64_t high = 0, any = 0, inner = 0;                                                    \
        quote_state state = {.after_separator = 1};                                               \
        for (; from < to; from += 64) {                                                           \
            const uint8_t *block = text + from;                                                   \
            uint64_t here = up_to(to - from);                                                     \
            uint64_t line_ends = EQUAL(block, line_end) & here;                                   \
            uint64_t separators = (EQUAL(block, delimiter) & here) | line_ends;                   \
            uint64_t quotes = EQUAL(block, '"') & here;                                           \
            high |= HIGH(block) & here;                                                           \
            any |= quotes;                                                                        \
            if ((quotes | state.inside | state.after_closing | state.after_return) == 0) {        \
                state.after_separator = separators >> 63;                                         \
            } else {                                                                              \
                uint64_t wrong = take_quotes(&state, quotes, line_ends, EQUAL(block, '\r'),       \
                                             &separators, &inner) & here;                         \
                if (PK_UNLIKELY(wrong != 0)) {                                                    \
                    unsigned good = (unsigned)__builtin_ctzll(wrong);                             \
                    separators &= up_to(good);                                                    \
                    to = from + good;                                                             \
                }                                                                                 \
            }                                                                                     \
            positions += write_positions(separators, (uint32_t)from, positions);                  \
        }                                                                                         \
        return (pk_indexed){(size_t)(positions - begin), to, high == 0, any != 0, inner != 0};    \
    }                                                                                             \
                                                                                                  \
    TARGET static size_t count_##NAME(const uint8_t *text, size_t from, size_t to, uint8_t byte)  \
    {                                                                                             \
        size_t count = 0;                                                                         \
        for (; from < to; from += 64) {                                                           \
            uint64_t found = EQUAL(text + from, byte) & up_to(to - from);                         \
            count += (size_t)__builtin_popcountll(found);                                         \
        }                                                                                         \
        return count;                                                                             \
    }                                                                                             \
                                                                                                  \
    static const pk_indexer NAME = {#NAME, special_##NAME, structure_##NAME, count_##NAME, UTF8};

#if defined(__x86_64__)
#include <immintrin.h>

ALWAYS_INLINE uint64_t
sse2_mask(const __m128i *parts)
{
    uint64_t mask = 0;
    for (int i = 0; i < 4; i++) {
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(parts[i]) << 16 * i;
    }
    return mask;
}

ALWAYS_INLINE uint64_t
sse2_high(const uint8_t *text)
{
    __m128i parts[4];
    memcpy(parts, text, sizeof parts);
    return sse2_mask(parts);
}

ALWAYS_INLINE uint64_t
sse2_equal(const uint8_t *text, uint8_t byte)
{
    __m128i parts[4];
    memcpy(parts, text, sizeof parts);
    for (int i = 0; i < 4; i++) {
        parts[i] = _mm_cmpeq_epi8(parts[i], _mm_set1_epi8((char)byte));
    }
    return sse2_mask(parts);
}

DEFINE_INDEXER(sse2, , sse2_equal, sse2_high, pk_is_utf8)

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

AVX2 ALWAYS_INLINE uint64_t
avx2_mask(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2 ALWAYS_INLINE __m256i
avx2_load(const uint8_t *text)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)text);
}

AVX2 ALWAYS_INLINE uint64_t
avx2_high(const uint8_t *text)
{
    return avx2_mask(avx2_load(text), avx2_load(text + 32));
}

AVX2 ALWAYS_INLINE uint64_t
avx2_equal(const uint8_t *text, uint8_t byte)
{
    const __m256i wanted = _mm256_set1_epi8((char)byte);
    return avx2_mask(_mm256_cmpeq_epi8(avx2_load(text), wanted),
                     _mm256_cmpeq_epi8(avx2_load(text + 32), wanted));
}

DEFINE_INDEXER(avx2, AVX2, avx2_equal, avx2_high, pk_is_utf8_avx2)
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

/* From bytes that are all ones or all zeros. */
ALWAYS_INLINE uint64_t
neon_mask(const uint8x16_t *found)
{
    const uint8x16_t bit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(found[0], bit), vandq_u8(found[1], bit));
    uint8x16_t high = vpaddq_u8(vandq_u8(found[2], bit), vandq_u8(found[3], bit));
    low = vpaddq_u8(low, high);
    low = vpaddq_u8(low, low);
    return vgetq_lane_u64(vreinterpretq_u64_u8(low), 0);
}

ALWAYS_INLINE uint64_t
neon_high(const uint8_t *text)
{
    uint8x16_t found[4];
    for (int i = 0; i < 4; i++) {
        found[i] = vcgeq_u8(vld1q_u8(text + 16 * i), vdupq_n_u8(0x80));
    }
    return neon_mask(found);
}

ALWAYS_INLINE uint64_t
neon_equal(const uint8_t *text, uint8_t byte)
{
    uint8x16_t found[4];
    for (int i = 0; i < 4; i++) {
        found[i] = vceqq_u8(vld1q_u8(text + 16 * i), vdupq_n_u8(byte));
    }
    return neon_mask(found);
}

DEFINE_INDEXER(neon, , neon_equal, neon_high, pk_is_utf8)
#endif

ALWAYS_INLINE uint64_t
plain_high(const uint8_t *text)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < 64; i++) {
        mask |= (uint64_t)(text[i] >> 7) << i;
    }
    return mask;
}

ALWAYS_INLINE uint64_t
plain_equal(const uint8_t *text, uint8_t byte)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < 64; i++) {
        mask |= (uint64_t)(text[i] == byte) << i;
    }
    return mask;
}

DEFINE_INDEXER(plain, , plain_equal, plain_high, pk_is_utf8)

const pk_indexer *pk_index = &plain;

static bool
choose(const char *wanted, const pk_indexer *indexer)
{
    if (wanted != NULL && strcmp(wanted, indexer->name) != 0) {
        return false;
    }
    pk_index = indexer;
    return true;
}

bool
pk_choose_index(const char *name)
{
#if defined(__x86_64__)
    bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("popcnt");
    if ((has_avx2 && choose(name, &avx2)) || choose(name, &sse2)) {
        return true;
    }
#endif
#if defined(__aarch64__)
    if (choose(name, &neon)) {
        return true;
    }
#endif
    return choose(name, &plain);
}
