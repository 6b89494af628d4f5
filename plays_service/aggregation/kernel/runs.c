#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runs.h"

#include <fcntl.h>
#include <unistd.h>

#include "buffer.h"
#include "groupfile.h"
#include "memory.h"

#define OUT_SIZE ((size_t)256 << 10)
#define SMALLEST_WINDOW ((size_t)4 << 10)
#define LARGEST_WINDOW ((size_t)256 << 10)
/* Of an entry: offset, length of the text. */
#define HEAD 12

void
pk_runs_open(pk_runs *runs, size_t memory, bool descending, const char *scratch)
{
    memset(runs, 0, sizeof *runs);
    size_t window = memory / 4 / PK_RUNS_AT_ONCE;
    window = window < SMALLEST_WINDOW ? SMALLEST_WINDOW : window;
    runs->window = window > LARGEST_WINDOW ? LARGEST_WINDOW : window;
    runs->descriptor = -1;
    runs->descending = descending;
    runs->scratch = scratch;
}

void
pk_runs_close(pk_runs *runs)
{
    if (runs->descriptor >= 0) {
        (void)close(runs->descriptor);
    }
    pk_release(runs->out, OUT_SIZE);
}

pk_status
pk_runs_begin(pk_runs *runs)
{
    if (runs->descriptor < 0) {
        runs->descriptor = open(runs->scratch, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (runs->descriptor < 0) {
            return PK_OUTPUT_ERROR;
        }
        (void)unlink(runs->scratch); /* whatever ends the process, nothing is left */
    }
    if (runs->out == NULL && (runs->out = pk_allocate(OUT_SIZE)) == NULL) {
        return PK_NO_MEMORY;
    }
    runs->runs[runs->count].start = runs->written;
    return PK_OK;
}

static pk_status
flush(pk_runs *runs)
{
    pk_status status = pk_write_at(runs->descriptor, runs->out, runs->used, runs->written);
    runs->written += runs->used;
    runs->used = 0;
    return status;
}

pk_status
pk_runs_add(pk_runs *runs, uint64_t offset, const uint8_t *text, size_t length)
{
    pk_status status = PK_OK;
    if (PK_UNLIKELY(runs->used + HEAD + length > OUT_SIZE)) {
        status = flush(runs);
    }
    pk_store(runs->out + runs->used, offset, 8);
    pk_store(runs->out + runs->used + 8, length, 4);
    runs->used += HEAD;
    if (PK_UNLIKELY(HEAD + length > OUT_SIZE)) {
        status = status == PK_OK ? flush(runs) : status;
        if (status == PK_OK) {
            status = pk_write_at(runs->descriptor, text, length, runs->written);
            runs->written += length;
        }
        return status;
    }
    memcpy(runs->out + runs->used, text, length);
    runs->used += length;
    return status;
}

/* ---- Merge ---- */

/* The present entry of a run. */
typedef struct {
    pk_buffer buffer;
    uint64_t end;
    uint64_t offset;
    const uint8_t *text;
    size_t length;
} head;

typedef struct {
    const pk_runs *runs;
    head heads[PK_RUNS_AT_ONCE];
    size_t order[PK_RUNS_AT_ONCE]; /* a heap of the runs that have an entry, the first on top */
    size_t left;
} merge;

static pk_status
fill(head *one, size_t size, size_t window)
{
    while (one->buffer.length - one->buffer.position < size) {
        pk_status status = pk_buffer_read(&one->buffer, size > window ? size : window);
        if (status != PK_OK) {
            return status;
        }
        if (one->buffer.at_end) {
            return PK_DAMAGED; /* somebody else has cut it */
        }
    }
    return PK_OK;
}

/* Takes the next entry of a run; PK_STOPPED at its end. */
static pk_status
advance(head *one, size_t window)
{
    if (one->buffer.base + one->buffer.position >= one->end) {
        return PK_STOPPED;
    }
    pk_status status = fill(one, HEAD, window);
    if (status != PK_OK) {
        return status;
    }
    const uint8_t *bytes = one->buffer.bytes + one->buffer.position;
    one->length = pk_load32(bytes + 8);
    status = fill(one, HEAD + one->length, window);
    bytes = one->buffer.bytes + one->buffer.position;
    one->offset = pk_load64(bytes);
    one->text = bytes + HEAD;
    one->buffer.position += HEAD + one->length;
    return status;
}

static bool
is_before(const merge *one, size_t a, size_t b)
{
    const head *x = &one->heads[a], *y = &one->heads[b];
    int order = pk_compare_texts(x->text, x->length, y->text, y->length);
    order = one->runs->descending ? -order : order;
    return order != 0 ? order < 0 : a < b;
}

static void
sink(merge *one, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < one->left; at = child) {
        size_t *order = one->order;
        child += child + 1 < one->left && is_before(one, order[child + 1], order[child]);
        if (is_before(one, order[at], order[child])) {
            return;
        }
        size_t swap = order[at];
        order[at] = order[child];
        order[child] = swap;
    }
}

static pk_status
open_heads(merge *one)
{
    const pk_runs *runs = one->runs;
    for (size_t i = 0; i < runs->count; i++) {
        head *next = &one->heads[i];
        next->end = runs->runs[i].end;
        pk_status status =
            pk_buffer_open(&next->buffer, runs->descriptor, runs->runs[i].start, runs->window);
        if (status == PK_OK) {
            status = advance(next, runs->window);
        }
        if (status == PK_OK) {
            one->order[one->left++] = i;
        } else if (status != PK_STOPPED) {
            return status;
        }
    }
    for (size_t i = one->left; i > 0; i--) {
        sink(one, i - 1);
    }
    return PK_OK;
}

/* Takes entries, in order. */
typedef pk_status take_entry(void *context, const head *one);

static pk_status
merge_heads(merge *one, take_entry *take, void *context)
{
    while (one->left > 0) {
        head *first = &one->heads[one->order[0]];
        pk_status status = take(context, first);
        if (status == PK_OK) {
            status = advance(first, one->runs->window);
        }
        if (status == PK_STOPPED) {
            one->order[0] = one->order[--one->left];
        } else if (status != PK_OK) {
            return status;
        }
        sink(one, 0);
    }
    return PK_OK;
}

static pk_status
merge_runs(const pk_runs *runs, take_entry *take, void *context)
{
    merge *one = pk_allocate(sizeof *one);
    if (one == NULL) {
        return PK_NO_MEMORY;
    }
    memset(one, 0, sizeof *one);
    one->runs = runs;
    pk_status status = open_heads(one);
    if (status == PK_OK) {
        status = merge_heads(one, take, context);
    }
    for (size_t i = 0; i < runs->count; i++) {
        pk_buffer_close(&one->heads[i].buffer);
    }
    pk_release(one, sizeof *one);
    return status;
}

static pk_status
take_into_run(void *context, const head *one)
{
    return pk_runs_add(context, one->offset, one->text, one->length);
}

/* Merges all runs into one, in a file of its own, so that the disk gets the old one back. */
static pk_status
merge_into_one(pk_runs *runs)
{
    pk_runs merged = *runs;
    merged.descriptor = -1;
    merged.count = 0;
    merged.written = 0;
    merged.out = NULL;
    pk_status status = pk_runs_begin(&merged);
    if (status == PK_OK) {
        status = merge_runs(runs, take_into_run, &merged);
    }
    if (status == PK_OK) {
        status = pk_runs_end(&merged);
    }
    pk_runs_close(runs);
    *runs = merged;
    return status;
}

pk_status
pk_runs_end(pk_runs *runs)
{
    pk_status status = flush(runs);
    runs->runs[runs->count++].end = runs->written;
    if (status == PK_OK && runs->count == PK_RUNS_AT_ONCE) {
        status = merge_into_one(runs);
    }
    return status;
}

typedef struct {
    pk_put *put;
    void *context;
} receiver;

static pk_status
take_offset(void *context, const head *one)
{
    receiver *to = context;
    return to->put(to->context, one->offset);
}

pk_status
pk_runs_merge(pk_runs *runs, pk_put *put, void *context)
{
    receiver to = {put, context};
    return merge_runs(runs, take_offset, &to);
}
