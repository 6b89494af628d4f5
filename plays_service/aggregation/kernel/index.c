#include "index.h"

/* The same two functions for each kind of machine: from 64 bytes the mask of each byte's
 * equals, from a mask its positions. They differ in the first only. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE uint64_t
up_to(uint64_t mask, size_t count)
{
    return count >= 64 ? mask : mask & ((1ULL << count) - 1);
}

/* Writes in steps of 8 whether there are that many or not: no branch for each position. */
ALWAYS_INLINE size_t
write_positions(uint64_t mask, uint32_t block, uint32_t *positions, unsigned count)
{
    for (unsigned done = 0; done < count; done += 8) {
        for (unsigned i = 0; i < 8; i++) {
            /* the | keeps ctz defined once the mask is used up; those slots are overwritten */
            positions[done + i] = block + (uint32_t)__builtin_ctzll(mask | 1ULL << 63);
            mask &= mask - 1;
        }
    }
    return count;
}

#define DEFINE_INDEX(NAME, TARGET, STRUCTURE)                                                     \
    TARGET static size_t index_##NAME(const uint8_t *text, size_t from, size_t to,                \
                                      uint8_t delimiter, uint8_t line_end, uint32_t *positions,   \
                                      bool *ascii)                                                \
    {                                                                                             \
        uint32_t *const begin = positions;                                                        \
        uint64_t high = 0;                                                                        \
        for (; from < to; from += 64) {                                                           \
            uint64_t beyond = 0;                                                                  \
            uint64_t mask = STRUCTURE(text + from, delimiter, line_end, &beyond);                 \
            mask = up_to(mask, to - from);                                                        \
            high |= up_to(beyond, to - from);                                                     \
            unsigned count = (unsigned)__builtin_popcountll(mask);                                \
            positions += write_positions(mask, (uint32_t)from, positions, count);                 \
        }                                                                                         \
        *ascii = high == 0;                                                                       \
        return (size_t)(positions - begin);                                                       \
    }

#if defined(__x86_64__)
#include <immintrin.h>

ALWAYS_INLINE uint64_t
sse2_structure(const uint8_t *text, uint8_t delimiter, uint8_t line_end, uint64_t *beyond)
{
    const __m128i d = _mm_set1_epi8((char)delimiter), e = _mm_set1_epi8((char)line_end);
    const __m128i q = _mm_set1_epi8('"');
    uint64_t mask = 0, high = 0;
    for (int i = 0; i < 4; i++) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(text + 16 * i));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(part, d),
                                     _mm_or_si128(_mm_cmpeq_epi8(part, e),
                                                  _mm_cmpeq_epi8(part, q)));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(found) << 16 * i;
        high |= (uint64_t)(uint32_t)_mm_movemask_epi8(part) << 16 * i;
    }
    *beyond = high;
    return mask;
}

DEFINE_INDEX(sse2, , sse2_structure)

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))

AVX2 ALWAYS_INLINE uint64_t
avx2_mask(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2 ALWAYS_INLINE __m256i
avx2_special(__m256i part, uint8_t delimiter, uint8_t line_end)
{
    return _mm256_or_si256(
        _mm256_cmpeq_epi8(part, _mm256_set1_epi8((char)delimiter)),
        _mm256_or_si256(_mm256_cmpeq_epi8(part, _mm256_set1_epi8((char)line_end)),
                        _mm256_cmpeq_epi8(part, _mm256_set1_epi8('"'))));
}

AVX2 ALWAYS_INLINE uint64_t
avx2_structure(const uint8_t *text, uint8_t delimiter, uint8_t line_end, uint64_t *beyond)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)text);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + 32));
    *beyond = avx2_mask(low, high);
    return avx2_mask(avx2_special(low, delimiter, line_end),
                     avx2_special(high, delimiter, line_end));
}

DEFINE_INDEX(avx2, AVX2, avx2_structure)
#endif

#if defined(__aarch64__)
#include <arm_neon.h>

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
neon_structure(const uint8_t *text, uint8_t delimiter, uint8_t line_end, uint64_t *beyond)
{
    const uint8x16_t d = vdupq_n_u8(delimiter), e = vdupq_n_u8(line_end), q = vdupq_n_u8('"');
    uint8x16_t found[4], high[4];
    for (int i = 0; i < 4; i++) {
        uint8x16_t part = vld1q_u8(text + 16 * i);
        found[i] = vorrq_u8(vceqq_u8(part, d), vorrq_u8(vceqq_u8(part, e), vceqq_u8(part, q)));
        high[i] = vcgeq_u8(part, vdupq_n_u8(0x80));
    }
    *beyond = neon_mask(high);
    return neon_mask(found);
}

DEFINE_INDEX(neon, , neon_structure)
#endif

ALWAYS_INLINE uint64_t
plain_structure(const uint8_t *text, uint8_t delimiter, uint8_t line_end, uint64_t *beyond)
{
    uint64_t mask = 0, high = 0;
    for (unsigned i = 0; i < 64; i++) {
        uint8_t byte = text[i];
        uint64_t special = (byte == delimiter) | (byte == line_end) | (byte == '"');
        mask |= special << i;
        high |= (uint64_t)(byte >> 7) << i;
    }
    *beyond = high;
    return mask;
}

DEFINE_INDEX(plain, , plain_structure)

pk_index_function *pk_index = index_plain;

static bool
choose(const char *wanted, const char *name, bool here, pk_index_function *index)
{
    if (!here || (wanted != NULL && strcmp(wanted, name) != 0)) {
        return false;
    }
    pk_index = index;
    return true;
}

bool
pk_choose_index(const char *name)
{
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("popcnt");
    if (choose(name, "avx2", avx2, index_avx2) || choose(name, "sse2", true, index_sse2)) {
        return true;
    }
#endif
#if defined(__aarch64__)
    if (choose(name, "neon", true, index_neon)) {
        return true;
    }
#endif
    return choose(name, "plain", true, index_plain);
}
