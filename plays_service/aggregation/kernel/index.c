#include "index.h"

#include "utf8.h"

/* The same functions for each kind of machine: from 64 bytes the mask of those that are equal to
 * one, from masks the positions. They differ in how these are made. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint64_t
up_to(size_t count)
{
    return count >= 64 ? UINT64_MAX : (1ULL << count) - 1;
}

/* Writes in steps of 8 whether there are that many or not: no branch for each position. `CTZ` must be
 * defined for a mask that is used up; those slots are overwritten. */
#define WRITE_POSITIONS(MASK, BLOCK, POSITIONS, CTZ)                                              \
    uint64_t mask = MASK;                                                                         \
    unsigned count = (unsigned)__builtin_popcountll(mask);                                        \
    for (unsigned done = 0; done < count; done += 8) {                                            \
        for (unsigned i = 0; i < 8; i++) {                                                        \
            (POSITIONS)[done + i] = (BLOCK) + (uint32_t)CTZ(mask);                                \
            mask &= mask - 1;                                                                     \
        }                                                                                         \
    }                                                                                             \
    return count

ALWAYS_INLINE size_t
any_write(uint64_t positions_mask, uint32_t block, uint32_t *positions)
{
#define ANY_CTZ(MASK) __builtin_ctzll((MASK) | 1ULL << 63)
    WRITE_POSITIONS(positions_mask, block, positions, ANY_CTZ);
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

/* What is known after some blocks. */
typedef struct {
    quote_state state;
    uint64_t any;   /* quotes */
    uint64_t inner; /* line ends in them */
    uint64_t wrong; /* the lowest bit is of the first byte that is, in the last block */
} structure_so_far;

/* The separators of a block outside of quotes, as far as `here` and as nothing is wrong. */
ALWAYS_INLINE uint64_t
structure_of(structure_so_far *so_far, uint64_t here, uint64_t delimiters, uint64_t line_ends,
             uint64_t quotes, uint64_t returns)
{
    quote_state *state = &so_far->state;
    uint64_t separators = (delimiters | line_ends) & here;
    quotes &= here;
    so_far->any |= quotes;
    if ((quotes | state->inside | state->after_closing | state->after_return) == 0) {
        state->after_separator = separators >> 63;
        return separators;
    }
    so_far->wrong =
        take_quotes(state, quotes, line_ends & here, returns, &separators, &so_far->inner) & here;
    if (PK_UNLIKELY(so_far->wrong != 0)) {
        separators &= up_to((unsigned)__builtin_ctzll(so_far->wrong));
    }
    return separators;
}

#define DEFINE_INDEXER(NAME, TARGET, EQUAL, WRITE, UTF8)                                          \
    TARGET static pk_indexed special_##NAME(const uint8_t *text, size_t from, size_t to,          \
                                            uint8_t delimiter, uint8_t line_end,                  \
                                            uint32_t *positions)                                  \
    {                                                                                             \
        uint32_t *const begin = positions;                                                        \
        uint64_t any = 0;                                                                         \
        for (; from < to; from += 64) {                                                           \
            const uint8_t *block = text + from;                                                   \
            uint64_t here = up_to(to - from);                                                     \
            uint64_t separators = EQUAL(block, delimiter) | EQUAL(block, line_end);               \
            uint64_t quotes = EQUAL(block, '"') & here;                                           \
            any |= quotes;                                                                        \
            positions += WRITE((separators | quotes) & here, (uint32_t)from, positions);          \
        }                                                                                         \
        return (pk_indexed){(size_t)(positions - begin), to, any != 0, false};                    \
    }                                                                                             \
                                                                                                  \
    TARGET ALWAYS_INLINE uint64_t separators_##NAME(structure_so_far *so_far, uint64_t here,      \
                                                    const uint8_t *block, uint8_t delimiter,      \
                                                    uint8_t line_end)                             \
    {                                                                                             \
        return structure_of(so_far, here, EQUAL(block, delimiter), EQUAL(block, line_end),        \
                            EQUAL(block, '"'), EQUAL(block, '\r'));                               \
    }                                                                                             \
                                                                                                  \
    TARGET static pk_indexed structure_##NAME(const uint8_t *text, size_t from, size_t to,        \
                                              uint8_t delimiter, uint8_t line_end,                \
                                              uint32_t *positions)                                \
    {                                                                                             \
        uint32_t *const begin = positions;                                                        \
        structure_so_far so_far = {.state = {.after_separator = 1}};                              \
        for (; from < to && so_far.wrong == 0; from += 64) {                                      \
            uint64_t here = PK_LIKELY(to - from >= 64) ? UINT64_MAX : up_to(to - from);           \
            uint64_t separators =                                                                 \
                separators_##NAME(&so_far, here, text + from, delimiter, line_end);               \
            positions += WRITE(separators, (uint32_t)from, positions);                            \
        }                                                                                         \
        if (so_far.wrong != 0) {                                                                  \
            to = from - 64 + (size_t)__builtin_ctzll(so_far.wrong);                               \
        }                                                                                         \
        return (pk_indexed){(size_t)(positions - begin), to, so_far.any != 0, so_far.inner != 0}; \
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
sse2_equal(const uint8_t *text, uint8_t byte)
{
    __m128i parts[4];
    memcpy(parts, text, sizeof parts);
    for (int i = 0; i < 4; i++) {
        parts[i] = _mm_cmpeq_epi8(parts[i], _mm_set1_epi8((char)byte));
    }
    return sse2_mask(parts);
}

DEFINE_INDEXER(sse2, , sse2_equal, any_write, pk_is_utf8)

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
avx2_equal(const uint8_t *text, uint8_t byte)
{
    const __m256i wanted = _mm256_set1_epi8((char)byte);
    return avx2_mask(_mm256_cmpeq_epi8(avx2_load(text), wanted),
                     _mm256_cmpeq_epi8(avx2_load(text + 32), wanted));
}

AVX2 ALWAYS_INLINE size_t
avx2_write(uint64_t positions_mask, uint32_t block, uint32_t *positions)
{
    WRITE_POSITIONS(positions_mask, block, positions, _tzcnt_u64);
}

DEFINE_INDEXER(avx2, AVX2, avx2_equal, avx2_write, pk_is_utf8_avx2)

#define AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512vbmi2,bmi,popcnt")))

AVX512 ALWAYS_INLINE uint64_t
avx512_equal(const uint8_t *text, uint8_t byte)
{
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text), _mm512_set1_epi8((char)byte));
}

/* All at once: what is left of the numbers 0 to 63, 16 of them a step. */
AVX512 ALWAYS_INLINE size_t
avx512_write(uint64_t mask, uint32_t block, uint32_t *positions)
{
    static const uint8_t numbers[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    unsigned count = (unsigned)__builtin_popcountll(mask);
    const __m512i start = _mm512_set1_epi32((int)block);
    __m512i found = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(numbers));
    for (unsigned done = 0; done < count; done += 16) {
        __m512i wide = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(found));
        _mm512_storeu_si512(positions + done, _mm512_add_epi32(wide, start));
        found = _mm512_alignr_epi64(found, found, 2);
    }
    return count;
}

DEFINE_INDEXER(avx512, AVX512, avx512_equal, avx512_write, pk_is_utf8_avx2)
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
neon_equal(const uint8_t *text, uint8_t byte)
{
    uint8x16_t found[4];
    for (int i = 0; i < 4; i++) {
        found[i] = vceqq_u8(vld1q_u8(text + 16 * i), vdupq_n_u8(byte));
    }
    return neon_mask(found);
}

DEFINE_INDEXER(neon, , neon_equal, any_write, pk_is_utf8)
#endif

ALWAYS_INLINE uint64_t
plain_equal(const uint8_t *text, uint8_t byte)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < 64; i++) {
        mask |= (uint64_t)(text[i] == byte) << i;
    }
    return mask;
}

DEFINE_INDEXER(plain, , plain_equal, any_write, pk_is_utf8)

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
    bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2");
    if ((has_avx512 && choose(name, &avx512)) || (has_avx2 && choose(name, &avx2)) ||
        choose(name, &sse2)) {
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
