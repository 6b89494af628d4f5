/* Bytes into rows: the line and quote rules of the CSV contract; records.py and fields.py are the
 * specification. */
#ifndef PLAYS_KERNEL_SCAN_H
#define PLAYS_KERNEL_SCAN_H

#include "buffer.h"
#include "common.h"
#include "table.h"

#define PK_BATCH 128
#define PK_BAD_KEPT 100

typedef struct {
    uint8_t delimiter;
    uint8_t line_end;
    uint32_t fields;
    uint32_t song;
    uint32_t date;
    uint32_t plays;
} pk_dialect;

typedef enum {
    PK_BAD_VALUES,       /* what is wrong with it the pure implementation says */
    PK_BAD_TOO_LONG,
    PK_BAD_NEVER_CLOSED, /* a quote */
} pk_bad_kind;

/* A bad record. Lines are 0-based from where the scan began. */
typedef struct {
    uint64_t offset;
    uint64_t line;
    uint64_t opened; /* the line of the quote that is never closed */
    pk_bad_kind kind;
} pk_bad;

/* Takes rows, in order; they and their texts are gone when it returns. */
typedef pk_status pk_sink(void *context, pk_row *rows, size_t count);

typedef struct {
    pk_buffer buffer;
    pk_dialect dialect;
    uint64_t end;
    bool skip_errors;
    bool utf8; /* all of what is indexed, as far as its last position */
    uint32_t *index;
    size_t index_size;
    size_t odd_stretch; /* bytes; see take_window */
    uint64_t memo_offset; /* see close_quote */
    uint64_t memo_line;
    uint64_t memo_opened;
    uint8_t *scratch; /* songs whose quotes had to be undone */
    size_t scratch_size;
    size_t scratch_used;
    pk_row rows[PK_BATCH];
    size_t pending;
    size_t batch;
    pk_sink *sink;
    void *context;
    /* What came of it. */
    uint64_t good;
    uint64_t lines;
    uint64_t skipped;
    size_t bad_count;
    pk_bad bad[PK_BAD_KEPT];
} pk_scan;

/* Gets ready for the records that start in [start, end) of `descriptor`. */
pk_status pk_scan_open(pk_scan *scan, int descriptor, uint64_t start, uint64_t end,
                       const pk_dialect *dialect);
void pk_scan_close(pk_scan *scan);
/* Sends every good row to the sink. PK_STOPPED: bad[0] is the first bad record, and lines is what
 * the pure implementation counts by then. */
pk_status pk_scan_run(pk_scan *scan, pk_sink *sink, void *context);
/* Moves behind the first line end, or to the scan's end if there is none. */
pk_status pk_scan_find_line(pk_scan *scan);
/* Where the scan is in the file: after pk_scan_run, where the first record starts that is not
 * in it. */
uint64_t pk_scan_offset(const pk_scan *scan);

#endif
