/* Bytes into rows: the line and quote rules of the CSV contract; records.py and fields.py are the
 * specification. A window of the file is indexed, and records are taken through the index
 * (indexed.h); those that it does not show as they should be are read from their bytes (records.h).
 */
#ifndef PLAYS_KERNEL_SCAN_H
#define PLAYS_KERNEL_SCAN_H

#include "batch.h"
#include "buffer.h"
#include "dialect.h"

#define PK_BAD_KEPT 100

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

/* Whether text is UTF-8. */
typedef enum { PK_UNPROVED, PK_PROVED, PK_DISPROVED } pk_proof;

typedef struct {
    pk_buffer buffer;
    pk_dialect dialect;
    uint64_t end;
    uint64_t base; /* what rows' offsets count from, before the file */
    bool skip_errors;
    pk_batch batch;
    uint32_t *index;
    size_t index_size;
    pk_proof utf8; /* all of what is indexed, as far as its last position */
    bool often_quoted; /* the songs of what is indexed: see whole.c */
    size_t odd_stretch;   /* bytes; see indexed.c */
    uint64_t memo_offset; /* see close_quote in records.c */
    uint64_t memo_line;
    uint64_t memo_opened;
    /* What came of it, besides the batch's count of rows. */
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
