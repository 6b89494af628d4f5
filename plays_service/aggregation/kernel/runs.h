/* Sorted runs of what does not fit the memory, in files without a name, and their merge. */
#ifndef PLAYS_KERNEL_RUNS_H
#define PLAYS_KERNEL_RUNS_H

#include "common.h"
#include "output.h"

/* Runs that there are, and are merged, at once: each has a file and a window. */
#define PK_RUNS_AT_ONCE 32

/* Takes offsets, in order. */
typedef pk_status pk_put(void *context, uint64_t offset);

typedef struct {
    int descriptor;
    unsigned level; /* merges that its entries have been through, at most */
    uint64_t size;
} pk_run;

typedef struct {
    const char *scratch; /* a name for files that lose it at once */
    bool descending;
    size_t window; /* bytes of a run that are read at once */
    pk_run runs[PK_RUNS_AT_ONCE + 1]; /* in order; no level is below those that follow */
    size_t count;
    pk_output out; /* into the last run */
} pk_runs;

void pk_runs_open(pk_runs *runs, size_t memory, bool descending, const char *scratch);
void pk_runs_close(pk_runs *runs);
/* A run: its entries, in order. */
pk_status pk_runs_begin(pk_runs *runs);
pk_status pk_runs_add(pk_runs *runs, uint64_t offset, const uint8_t *text, size_t length);
pk_status pk_runs_end(pk_runs *runs);
/* All offsets by their texts, which are compared as bytes; of equal ones those of the first run
 * come first. */
pk_status pk_runs_merge(pk_runs *runs, pk_put *put, void *context);

static inline int
pk_compare_texts(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
    size_t shorter = a_length < b_length ? a_length : b_length;
    int order = shorter > 0 ? memcmp(a, b, shorter) : 0;
    return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

#endif
