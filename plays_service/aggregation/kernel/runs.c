#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runs.h"

#include <fcntl.h>
#include <unistd.h>

#include "buffer.h"
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
    runs->descending = descending;
    runs->scratch = scratch;
}

static void
close_files(const pk_runs *runs, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        (void)close(runs->runs[i].descriptor);
    }
}

void
pk_runs_close(pk_runs *runs)
{
    close_files(runs, 0, runs->count);
    pk_output_free(&runs->out);
}

pk_status
pk_runs_begin(pk_runs *runs)
{
    pk_status status = pk_output_reserve(&runs->out, OUT_SIZE);
    if (status != PK_OK) {
        return status;
    }
    int descriptor = open(runs->scratch, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0) {
        return PK_OUTPUT_ERROR;
    }
    (void)unlink(runs->scratch); /* whatever ends the process, nothing is left */
    runs->runs[runs->count++] = (pk_run){.descriptor = descriptor};
    runs->out.descriptor = descriptor;
    runs->out.offset = 0;
    return PK_OK;
}

pk_status
pk_runs_add(pk_runs *runs, uint64_t offset, const uint8_t *text, size_t length)
{
    pk_output *out = &runs->out;
    pk_status status = pk_output_room(out, HEAD + length);
    if (PK_LIKELY(status == PK_OK)) {
        uint8_t *entry = out->bytes + out->used;
        pk_store(entry, offset, 8);
        pk_store(entry + 8, length, 4);
        memcpy(entry + HEAD, text, length);
        out->used += HEAD + length;
    }
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
    size_t window;
    bool descending;
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
    order = one->descending ? -order : order;
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
open_heads(merge *one, const pk_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        head *next = &one->heads[i];
        next->end = runs[i].size;
        pk_status status = pk_buffer_open(&next->buffer, runs[i].descriptor, 0, one->window);
        if (status == PK_OK) {
            status = advance(next, one->window);
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
            status = advance(first, one->window);
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

/* Merges the runs `[from, to)`. */
static pk_status
merge_runs(const pk_runs *runs, size_t from, size_t to, take_entry *take, void *context)
{
    merge *one = pk_allocate(sizeof *one);
    if (one == NULL) {
        return PK_NO_MEMORY;
    }
    memset(one, 0, sizeof *one);
    one->window = runs->window;
    one->descending = runs->descending;
    pk_status status = open_heads(one, &runs->runs[from], to - from);
    if (status == PK_OK) {
        status = merge_heads(one, take, context);
    }
    for (size_t i = 0; i < to - from; i++) {
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

static pk_status
end_run(pk_runs *runs)
{
    pk_status status = pk_output_flush(&runs->out);
    runs->runs[runs->count - 1].size = runs->out.offset;
    return status;
}

/* Where the runs begin that are merged to make room: the last ones of one level, two at least. So
 * an entry is written once for each level, and there are few, however many runs come. */
static size_t
first_to_merge(const pk_runs *runs)
{
    const size_t last = runs->count - 1;
    size_t first = last;
    while (first > 0 &&
           (first == last || runs->runs[first - 1].level == runs->runs[first].level)) {
        first--;
    }
    return first;
}

/* Merges the last runs into one. */
static pk_status
make_room(pk_runs *runs)
{
    const size_t first = first_to_merge(runs), end = runs->count;
    pk_status status = pk_runs_begin(runs);
    if (status == PK_OK) {
        status = merge_runs(runs, first, end, take_into_run, runs);
    }
    if (status == PK_OK) {
        status = end_run(runs);
    }
    if (status == PK_OK) {
        close_files(runs, first, end);
        runs->runs[end].level = runs->runs[first].level + 1;
        runs->runs[first] = runs->runs[end];
        runs->count = first + 1;
    }
    return status;
}

pk_status
pk_runs_end(pk_runs *runs)
{
    pk_status status = end_run(runs);
    if (status == PK_OK && runs->count == PK_RUNS_AT_ONCE) {
        status = make_room(runs);
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
    return merge_runs(runs, 0, runs->count, take_offset, &to);
}
