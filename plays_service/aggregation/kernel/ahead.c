#include "ahead.h"

/* Places, and bytes at each: some dozens of records. */
#define PLACES 16
#define PLACE_SIZE ((uint64_t)2 << 10)
/* One key of so many. The table is then about that share of all that are used. */
#define ENOUGH 8

typedef struct {
    const pk_table *table;
    const pk_hasher *hasher;
    size_t asked;
    size_t known;
} survey;

static pk_status
survey_rows(void *context, pk_row *rows, size_t count, bool utf8, size_t *taken)
{
    survey *one = context;
    (void)utf8; /* a song that is not equals none of the table's */
    for (size_t i = 0; i < count; i++) {
        pk_row_hash(&rows[i], one->hasher);
        one->known += pk_table_has(one->table, &rows[i]);
    }
    one->asked += count;
    *taken = count;
    return PK_OK;
}

/* Where a record starts there is a guess, as that of a segment: some rows may be nonsense. */
static pk_status
survey_place(survey *one, const pk_scan *scan, uint64_t from)
{
    pk_scan place;
    uint64_t end = scan->end - from < PLACE_SIZE ? scan->end : from + PLACE_SIZE;
    pk_status status =
        pk_scan_open(&place, scan->buffer.descriptor, from, end, &scan->dialect);
    place.skip_errors = true;
    if (status == PK_OK) {
        status = pk_scan_find_line(&place);
    }
    if (status == PK_OK) {
        status = pk_scan_run(&place, survey_rows, one);
    }
    pk_scan_close(&place);
    return status;
}

pk_status
pk_look_ahead(const pk_scan *scan, const pk_table *table, const pk_hasher *hasher, bool *back)
{
    survey one = {.table = table, .hasher = hasher};
    uint64_t from = pk_scan_offset(scan);
    uint64_t left = from < scan->end ? scan->end - from : 0;
    pk_status status = PK_OK;
    for (uint64_t i = 0; i < PLACES && left > 0 && status == PK_OK; i++) {
        status = survey_place(&one, scan, from + left / (2 * PLACES) * (2 * i + 1));
    }
    *back = one.known * ENOUGH > one.asked;
    return status;
}
