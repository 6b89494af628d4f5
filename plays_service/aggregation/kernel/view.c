#include "view.h"

#include "output.h"
#include "result.h"
#include "runs.h"
#include "sorter.h"

#define OUT_SIZE ((size_t)256 << 10)

/* The offsets on their way into the view. */
typedef struct {
    const pk_view_means *means;
    pk_output file;
    uint64_t rows;
} offsets;

static pk_status
put(void *context, uint64_t offset)
{
    offsets *out = context;
    pk_status status = pk_output_room(&out->file, sizeof offset);
    if (PK_LIKELY(status == PK_OK)) {
        for (unsigned i = 0; i < out->means->width; i++) {
            out->file.bytes[out->file.used++] = (uint8_t)(offset >> 8 * i);
        }
        out->rows++;
    }
    return status;
}

/* Numbers of plays from here on, and from its negative down, have a text: they do not fit a prefix. */
#define WIDE ((pk_int128)1 << 62)

static pk_status
add_plays(pk_sorter *sorter, pk_int128 plays, uint64_t offset)
{
    const uint64_t middle = 1ULL << 63;
    if (PK_LIKELY(-WIDE < plays && plays < WIDE)) {
        return pk_sorter_add(sorter, (uint64_t)plays + middle, NULL, 0, offset);
    }
    pk_uint128 biased = (pk_uint128)plays + ((pk_uint128)1 << 127);
    uint64_t prefix = plays < 0 ? 0 : UINT64_MAX;
    uint64_t text[3] = {prefix, pk_big_endian((uint64_t)(biased >> 64)),
                        pk_big_endian((uint64_t)biased)};
    return pk_sorter_add(sorter, prefix, (const uint8_t *)text, sizeof text, offset);
}

static pk_status
add_row(pk_sorter *sorter, pk_sort sort, const pk_result_row *row)
{
    if (sort == PK_BY_SONG) {
        uint64_t prefix = pk_text_prefix(row->song, row->length, 0);
        return pk_sorter_add(sorter, prefix, row->song, row->length, row->offset);
    }
    return sort == PK_BY_DATE ? pk_sorter_add(sorter, row->date, NULL, 0, row->offset)
                              : add_plays(sorter, row->plays, row->offset);
}

static pk_status
each_row(pk_result *result, pk_match *match, pk_sorter *sorter, offsets *out)
{
    const pk_sort sort = out->means->sort;
    pk_result_row row;
    pk_status status;
    while ((status = pk_result_next(result, &row)) == PK_OK) {
        status = pk_match_row(match, &row);
        if (status == PK_OK) {
            status = sort == PK_BY_APPEARANCE ? put(out, row.offset) : add_row(sorter, sort, &row);
        } else if (status == PK_STOPPED) {
            continue;
        }
        if (status != PK_OK) {
            return status;
        }
    }
    return status == PK_STOPPED ? PK_OK : status;
}

pk_status
pk_build_view(int result, int view, const pk_view_means *means, pk_match *match, uint64_t *rows)
{
    offsets out = {.means = means};
    pk_output_init(&out.file, view, means->head_size);
    pk_status status = pk_output_reserve(&out.file, OUT_SIZE);
    if (status != PK_OK) {
        return status;
    }
    pk_sorter sorter;
    pk_sorter_open(&sorter, means->memory, means->descending, means->scratch);
    pk_match_open(match);
    pk_result source;
    status = pk_result_open(&source, result, means->start);
    if (status == PK_OK) {
        status = each_row(&source, match, &sorter, &out);
        pk_result_close(&source);
    }
    if (status == PK_OK) {
        status = pk_sorter_finish(&sorter, put, &out);
    }
    if (status == PK_OK) {
        status = pk_output_flush(&out.file);
    }
    *rows = out.rows;
    pk_match_close(match);
    pk_sorter_close(&sorter);
    pk_output_free(&out.file);
    return status;
}
