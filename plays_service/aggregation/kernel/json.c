#include "json.h"

#include "memory.h"
#include "result.h"
#include "rows.h"
#include "utf8.h"

/* Names, punctuation, date, 40 characters of plays. */
#define ROW_EXTRA 128
/* A byte as \u0000. */
#define LONGEST_ESCAPE 6

static pk_status
reserve(pk_json *json, size_t more)
{
    size_t wanted = json->used + more;
    if (wanted <= json->size) {
        return PK_OK;
    }
    size_t size = wanted + wanted / 2;
    uint8_t *bytes = pk_resize(json->bytes, json->size, size);
    if (bytes == NULL) {
        return PK_NO_MEMORY;
    }
    json->bytes = bytes;
    json->size = size;
    return PK_OK;
}

static uint8_t *
put(uint8_t *to, const char *text)
{
    size_t length = strlen(text);
    return (uint8_t *)memcpy(to, text, length) + length;
}

static uint8_t *
put_escaped(uint8_t *to, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    static const char short_ones[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
    const char *known = c == 0 ? NULL : memchr(short_ones, c, sizeof short_ones - 1);
    *to++ = '\\';
    if (known != NULL) {
        *to++ = (uint8_t)letters[known - short_ones];
        return to;
    }
    to = put(to, "u00");
    *to++ = (uint8_t)digits[c >> 4];
    *to++ = (uint8_t)digits[c & 15];
    return to;
}

static uint8_t *
put_song(uint8_t *to, const uint8_t *song, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t c = song[i];
        if (PK_UNLIKELY(c < 0x20 || c == '"' || c == '\\')) {
            to = put_escaped(to, c);
        } else {
            *to++ = c;
        }
    }
    return to;
}

static pk_status
put_row(pk_json *json, const pk_result_row *row)
{
    if (!pk_is_utf8(row->song, row->length)) {
        return PK_DAMAGED;
    }
    pk_status status = reserve(json, LONGEST_ESCAPE * (size_t)row->length + ROW_EXTRA);
    if (status == PK_OK) {
        uint8_t *to = put(json->bytes + json->used, "{\"song\": \"");
        to = put_song(to, row->song, row->length);
        to = pk_write_date(put(to, "\", \"date\": \""), row->date);
        to = pk_write_total(put(to, "\", \"plays\": "), row->plays);
        json->used = (size_t)(put(to, "}\n") - json->bytes);
    }
    return status;
}

pk_status
pk_json_lines(int descriptor, uint64_t start, uint64_t size, pk_json *json)
{
    memset(json, 0, sizeof *json);
    json->end = start;
    pk_result result;
    pk_result_row row;
    pk_status status = pk_result_open(&result, descriptor, start);
    while (status == PK_OK && json->end - start < size) {
        status = pk_result_next(&result, &row);
        if (status == PK_OK) {
            status = put_row(json, &row);
            json->end = result.buffer.base + result.buffer.position;
        }
    }
    pk_result_close(&result);
    return status == PK_STOPPED ? PK_OK : status;
}

void
pk_json_close(pk_json *json)
{
    pk_release(json->bytes, json->size);
}
