/* The three values of a record; fields.py is the specification. */
#ifndef PLAYS_KERNEL_VALUES_H
#define PLAYS_KERNEL_VALUES_H

#include "common.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* The content of a field. */
typedef struct {
    const uint8_t *start;
    const uint8_t *end;
} pk_span;

/* Without blanks around it. */
pk_span pk_trimmed(pk_span field);
/* A whole number within 64 bits; false where it is none. */
bool pk_parse_plays_slow(pk_span field, int64_t *plays);
/* Whether the three numbers are a day of the calendar. */
bool pk_is_day(uint32_t year, uint32_t month, uint32_t day);

#define PK_EACH_BYTE 0x0101010101010101ULL

/* Whether a quote is in the field, which must be readable for PK_PADDING bytes beyond its end. */
static inline bool
pk_holds_quote(pk_span field)
{
    size_t length = (size_t)(field.end - field.start);
#if defined(__SSE2__)
    if (PK_LIKELY(length <= 32)) {
        const __m128i *text = (const __m128i *)(const void *)field.start;
        const __m128i quote = _mm_set1_epi8('"');
        __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128(text), quote);
        __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128(text + 1), quote);
        uint64_t found = (uint32_t)_mm_movemask_epi8(low) |
                         (uint64_t)(uint32_t)_mm_movemask_epi8(high) << 16;
        return (found & ((1ULL << length) - 1)) != 0;
    }
#endif
    return memchr(field.start, '"', length) != NULL;
}

/* Whether all bytes are 0..9, given them less '0'. */
static inline bool
pk_all_digits(uint64_t bytes)
{
    return ((bytes | (bytes + 0x76 * PK_EACH_BYTE)) & 0x80 * PK_EACH_BYTE) == 0;
}

/* Two digits each, in four lanes of 16 bits, the first the lowest. */
static inline uint64_t
pk_digit_pairs(uint64_t digits)
{
    return (digits * 10 + (digits >> 8)) & 0x00FF00FF00FF00FFULL;
}

/* Days of each month but for leap years; none of those that a calendar does not have. */
extern const uint8_t pk_days_of_month[100];

/* The code of a date whose characters are given as numbers up to 15, the dashes as 0: those of
 * YYYY-MM in the bytes of `front`, the first the lowest, those of DD in `back`. By its halves of bytes,
 * from the lowest: y1, d1^y4, y2, d2, y3, m1, y4, m2. */
static inline uint32_t
pk_date_code(uint64_t front, uint64_t back)
{
    return (uint32_t)(front ^ front >> 20 ^ back << 4);
}

/* A date that looks like one, blanks around it left out, as a number that no others have. Whether it
 * is a day pk_date_of_code says, which takes longer. The field must be readable for PK_PADDING bytes
 * beyond its end. */
static inline bool
pk_code_date(pk_span field, uint32_t *code)
{
    if (PK_UNLIKELY(field.end - field.start != 10)) {
        field = pk_trimmed(field);
    }
    /* digits become 0..15, dashes 0: a byte each of YYYY-MM- and of DD, the first the lowest */
    uint64_t front = pk_load64(field.start) ^ 0x2D30302D30303030ULL;
    uint64_t back = pk_load64(field.start + 2) >> 48 ^ 0x3030;
    *code = pk_date_code(front, back);
    uint64_t wrong = (front & 0xFFF0F0FFF0F0F0F0ULL) | (back & 0xF0F0);
    return wrong == 0 && field.end - field.start == 10;
}

/* The day as YYYYMMDD; 0: it is none. */
static inline uint32_t
pk_date_of_code(uint32_t code)
{
    uint32_t years = code & 0x0F0F0F0F;
    uint32_t days = code >> 4 & 0x0F0F0F0F; /* day and month */
    days ^= years >> 24;
    bool digits = (((years + 0x76767676) | (days + 0x76767676)) & 0x80808080) == 0;
    years = years * 10 + (years >> 8);
    days = days * 10 + (days >> 8);
    uint32_t year = (years & 0xFF) * 100 + (years >> 16 & 0xFF);
    uint32_t month = days >> 16 & 0xFF, day = days & 0xFF;
    if (PK_UNLIKELY(!digits)) {
        return 0;
    }
    bool plain = day - 1 < pk_days_of_month[month] && year != 0;
    if (PK_UNLIKELY(!plain) && !pk_is_day(year, month, day)) {
        return 0;
    }
    return year * 10000 + month * 100 + day;
}

/* The last so many of 8 bytes. */
extern const uint64_t pk_last_bytes[9];

/* As pk_parse_plays_slow; the 8 bytes before the field's end must be readable. */
static inline bool
pk_parse_plays(pk_span field, int64_t *plays)
{
    size_t length = (size_t)(field.end - field.start);
    if (PK_LIKELY(length - 1 < 8)) {
        uint64_t digits = (pk_load64(field.end - 8) ^ 0x30 * PK_EACH_BYTE) & pk_last_bytes[length];
        if (PK_LIKELY(pk_all_digits(digits))) {
            uint64_t pairs = pk_digit_pairs(digits);
            uint64_t high = (pairs & 0x000000FF000000FFULL) * (100 + (1000000ULL << 32));
            uint64_t low = (pairs >> 16 & 0x000000FF000000FFULL) * (1 + (10000ULL << 32));
            *plays = (int64_t)(high + low) >> 32;
            return true;
        }
    }
    return pk_parse_plays_slow(field, plays);
}

#endif
