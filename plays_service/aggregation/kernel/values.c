#include "values.h"

pk_span
pk_trimmed(pk_span field)
{
    while (field.start < field.end && (*field.start == ' ' || *field.start == '\t')) {
        field.start++;
    }
    while (field.start < field.end && (field.end[-1] == ' ' || field.end[-1] == '\t')) {
        field.end--;
    }
    return field;
}

static bool
is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

const uint64_t pk_last_bytes[9] = {
    0, 0xFFULL << 56, 0xFFFFULL << 48, 0xFFFFFFULL << 40, 0xFFFFFFFFULL << 32,
    0xFFFFFFFFFFULL << 24, 0xFFFFFFFFFFFFULL << 16, 0xFFFFFFFFFFFFFFULL << 8, UINT64_MAX,
};

const uint8_t pk_days_of_month[100] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

bool
pk_is_day(uint32_t year, uint32_t month, uint32_t day)
{
    if (year < 1 || year > 9999 || month < 1 || month > 12) {
        return false;
    }
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= pk_days_of_month[month] + (uint32_t)(leap && month == 2);
}

bool
pk_parse_plays_slow(pk_span field, int64_t *plays)
{
    field = pk_trimmed(field);
    const uint8_t *p = field.start;
    bool negative = p < field.end && *p == '-';
    if (p < field.end && (*p == '-' || *p == '+')) {
        p++;
    }
    if (p == field.end) {
        return false;
    }
    uint64_t limit = (uint64_t)INT64_MAX + negative, value = 0;
    for (; p < field.end; p++) {
        if (!is_digit(*p)) {
            return false;
        }
        unsigned digit = (unsigned)(*p - '0');
        if (value > (limit - digit) / 10) {
            return false; /* out of range, or what follows is no digit: bad both ways */
        }
        value = value * 10 + digit;
    }
    *plays = (int64_t)(negative ? 0 - value : value);
    return true;
}
