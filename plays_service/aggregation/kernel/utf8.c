#include "utf8.h"

#include "values.h"

/* Bytes in the sequence that `lead` starts, 0 where it starts none; and what bounds its second
 * byte has (Unicode 15, table 3-7). */
static unsigned
sequence_of(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 2;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        *low = lead == 0xE0 ? 0xA0 : 0x80;
        *high = lead == 0xED ? 0x9F : 0xBF;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *low = lead == 0xF0 ? 0x90 : 0x80;
        *high = lead == 0xF4 ? 0x8F : 0xBF;
        return 4;
    }
    return 0;
}

bool
pk_is_utf8(const uint8_t *text, size_t length)
{
    const uint8_t *end = text + length;
    while (text < end) {
        if (end - text >= 32 &&
            ((pk_load64(text) | pk_load64(text + 8) | pk_load64(text + 16) | pk_load64(text + 24)) &
             0x80 * PK_EACH_BYTE) == 0) {
            text += 32;
            continue;
        }
        if (end - text >= 8 && (pk_load64(text) & 0x80 * PK_EACH_BYTE) == 0) {
            text += 8;
            continue;
        }
        if (*text < 0x80) {
            text++;
            continue;
        }
        uint8_t low, high;
        unsigned size = sequence_of(*text, &low, &high);
        if (size == 0 || (size_t)(end - text) < size || text[1] < low || text[1] > high) {
            return false;
        }
        for (unsigned i = 2; i < size; i++) {
            if ((text[i] & 0xC0) != 0x80) {
                return false;
            }
        }
        text += size;
    }
    return true;
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Three tables say of two bytes in a row what may be wrong with them; wrong is what all three say
 * (Keiser and Lemire, "Validating UTF-8 in less than one instruction per byte", 2020). */
enum {
    TOO_SHORT = 1 << 0,  /* a lead, not followed by a continuation */
    TOO_LONG = 1 << 1,   /* a continuation after ASCII */
    OVERLONG_3 = 1 << 2, /* E0 and less than A0 */
    TOO_LARGE = 1 << 3,  /* F4 and more than 8F, or a larger lead */
    SURROGATE = 1 << 4,  /* ED and more than 9F */
    OVERLONG_2 = 1 << 5, /* C0 or C1 */
    OVERLONG_4 = 1 << 6, /* F0 and less than 90; also larger leads than F4, with 80 to 8F */
    TWO_LATER = 1 << 7,  /* a second continuation: right only where a lead wants one */
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_LATER,
    FROM_F5 = ANY_LOW | TOO_LARGE | OVERLONG_4,
    LATER = TOO_LONG | OVERLONG_2 | TWO_LATER,
};

#define AVX2 __attribute__((target("avx2")))
#define TWICE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

/* The bytes that lie `COUNT` before each of `block`. */
#define BEFORE(block, previous, COUNT)                                                            \
    _mm256_alignr_epi8(block, _mm256_permute2x128_si256(previous, block, 0x21), 16 - (COUNT))

AVX2 static inline __m256i
high_nibbles(__m256i bytes)
{
    return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
}

/* What is wrong with each byte of a block and those before it. */
AVX2 static inline __m256i
wrong_in(__m256i block, __m256i previous)
{
    const __m256i first_high = TWICE(
        TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
        (char)TWO_LATER, (char)TWO_LATER, (char)TWO_LATER, (char)TWO_LATER, TOO_SHORT | OVERLONG_2,
        TOO_SHORT, TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | OVERLONG_4);
    const __m256i first_low = TWICE(
        (char)(ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4), (char)(ANY_LOW | OVERLONG_2),
        (char)ANY_LOW, (char)ANY_LOW, (char)(ANY_LOW | TOO_LARGE), (char)FROM_F5, (char)FROM_F5,
        (char)FROM_F5, (char)FROM_F5, (char)FROM_F5, (char)FROM_F5, (char)FROM_F5, (char)FROM_F5,
        (char)(FROM_F5 | SURROGATE), (char)FROM_F5, (char)FROM_F5);
    const __m256i second_high = TWICE(
        TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
        (char)(LATER | OVERLONG_3 | OVERLONG_4), (char)(LATER | OVERLONG_3 | TOO_LARGE),
        (char)(LATER | SURROGATE | TOO_LARGE), (char)(LATER | SURROGATE | TOO_LARGE), TOO_SHORT,
        TOO_SHORT, TOO_SHORT, TOO_SHORT);
    __m256i first = BEFORE(block, previous, 1);
    __m256i low = _mm256_and_si256(first, _mm256_set1_epi8(0x0F));
    __m256i both = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(first_high, high_nibbles(first)),
                         _mm256_shuffle_epi8(first_low, low)),
        _mm256_shuffle_epi8(second_high, high_nibbles(block)));
    /* third and fourth bytes must be second continuations, and no others may */
    __m256i third = _mm256_subs_epu8(BEFORE(block, previous, 2), _mm256_set1_epi8(0xE0 - 0x80));
    __m256i fourth =
        _mm256_subs_epu8(BEFORE(block, previous, 3), _mm256_set1_epi8((char)(0xF0 - 0x80)));
    __m256i later = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(both, later);
}

AVX2 bool
pk_is_utf8_avx2(const uint8_t *text, size_t length)
{
    __m256i wrong = _mm256_setzero_si256(), previous = wrong;
    bool ascii = true; /* the block before this one */
    for (size_t done = 0; done <= length; done += 32) {
        __m256i block;
        if (PK_LIKELY(length - done >= 32)) {
            block = _mm256_loadu_si256((const __m256i *)(const void *)(text + done));
        } else { /* and zeros, which show what is cut short */
            uint8_t rest[32] = {0};
            memcpy(rest, text + done, length - done);
            block = _mm256_loadu_si256((const __m256i *)(const void *)rest);
        }
        const bool was_ascii = ascii;
        ascii = _mm256_movemask_epi8(block) == 0;
        if (!ascii || !was_ascii) {
            wrong = _mm256_or_si256(wrong, wrong_in(block, previous));
        }
        previous = block;
    }
    return _mm256_testz_si256(wrong, wrong);
}
#endif
