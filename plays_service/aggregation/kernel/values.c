#include "values.h"

static pk_span
trimmed(pk_span field)
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

uint32_t
pk_parse_date_slow(pk_span field)
{
    field = trimmed(field);
    if (field.end - field.start != 10) {
        return 0;
    }
    uint32_t date = 0;
    for (int i = 0; i < 10; i++) {
        uint8_t byte = field.start[i];
        if (i == 4 || i == 7) {
            if (byte != '-') {
                return 0;
            }
            continue;
        }
        if (!is_digit(byte)) {
            return 0;
        }
        date = date * 10 + (byte - '0');
    }
    return pk_is_day(date / 10000, date / 100 % 100, date % 100) ? date : 0;
}

bool
pk_parse_plays_slow(pk_span field, int64_t *plays)
{
    field = trimmed(field);
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
