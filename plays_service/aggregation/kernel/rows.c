#include "rows.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

/* Whether a song can only be written in quotes. */
static bool
needs_quotes(const uint8_t *song, uint32_t length)
{
#if defined(__SSE2__)
    for (uint32_t i = 0; i < length; i += 16) {
        __m128i part = _mm_loadu_si128((const __m128i *)(const void *)(song + i));
        __m128i a = _mm_or_si128(_mm_cmpeq_epi8(part, _mm_set1_epi8(',')),
                                 _mm_cmpeq_epi8(part, _mm_set1_epi8('"')));
        __m128i b = _mm_or_si128(_mm_cmpeq_epi8(part, _mm_set1_epi8('\r')),
                                 _mm_cmpeq_epi8(part, _mm_set1_epi8('\n')));
        uint32_t found = (uint32_t)_mm_movemask_epi8(_mm_or_si128(a, b));
        if (length - i < 16) {
            found &= (1U << (length - i)) - 1;
        }
        if (found != 0) {
            return true;
        }
    }
#else
    for (uint32_t i = 0; i < length; i++) {
        if (song[i] == ',' || song[i] == '"' || song[i] == '\r' || song[i] == '\n') {
            return true;
        }
    }
#endif
    return false;
}

static uint8_t *
write_quoted(uint8_t *out, const uint8_t *song, uint32_t length)
{
    *out++ = '"';
    for (uint32_t i = 0; i < length; i++) {
        *out++ = song[i];
        if (song[i] == '"') {
            *out++ = '"';
        }
    }
    *out++ = '"';
    return out;
}

static uint8_t *
write_pair(uint8_t *out, uint32_t number)
{
    memcpy(out, digit_pairs + 2 * number, 2);
    return out + 2;
}

uint8_t *
pk_write_date(uint8_t *out, uint32_t date)
{
    uint32_t year = date / 10000, rest = date % 10000;
    out = write_pair(out, year / 100);
    out = write_pair(out, year % 100);
    *out++ = '-';
    out = write_pair(out, rest / 100);
    *out++ = '-';
    return write_pair(out, rest % 100);
}

/* Writes the digits of a number so that they end at `end`; returns where they begin. */
static uint8_t *
write_digits_before(uint8_t *end, uint64_t number)
{
    while (number >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * (number % 100), 2);
        number /= 100;
    }
    if (number >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * number, 2);
        return end;
    }
    *--end = (uint8_t)('0' + number);
    return end;
}

uint8_t *
pk_write_total(uint8_t *out, pk_int128 total)
{
    uint8_t digits[48], *end = digits + sizeof digits, *begin = end;
    pk_uint128 number = (pk_uint128)total;
    if (total < 0) {
        *out++ = '-';
        number = 0 - number;
    }
    const uint64_t billions = 1000000000000000000ULL; /* 18 digits */
    while (PK_UNLIKELY(number >> 64 != 0)) {
        uint8_t *part = write_digits_before(begin, (uint64_t)(number % billions));
        while (part > begin - 18) {
            *--part = '0';
        }
        begin = part;
        number /= billions;
    }
    begin = write_digits_before(begin, (uint64_t)number);
    size_t size = (size_t)(end - begin);
    memcpy(out, begin, size);
    return out + size;
}

uint8_t *
pk_write_row(uint8_t *out, const uint8_t *song, uint32_t length, uint32_t date, pk_int128 total)
{
    PK_ASSERT(date <= PK_DATE_MAX);
    if (PK_UNLIKELY(needs_quotes(song, length))) {
        out = write_quoted(out, song, length);
    } else {
        pk_copy(out, song, length);
        out += length;
    }
    *out++ = ',';
    out = pk_write_date(out, date);
    *out++ = ',';
    out = pk_write_total(out, total);
    *out++ = '\n';
    return out;
}
