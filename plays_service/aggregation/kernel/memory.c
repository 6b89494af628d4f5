#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise */
#endif
#include "memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "pages.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#ifdef PK_DEBUG
#define SLABS_KEPT 0
#else
#define SLABS_KEPT 48
#endif

static atomic_long failing = -1;
static atomic_size_t allocated;

void
pk_fail_allocation(long count)
{
    atomic_store(&failing, count);
}

size_t
pk_allocated(void)
{
    return atomic_load(&allocated);
}

static bool
must_fail(void)
{
    if (PK_LIKELY(atomic_load_explicit(&failing, memory_order_relaxed) < 0)) {
        return false;
    }
    return atomic_fetch_sub(&failing, 1) == 0;
}

static size_t
rounded(size_t size)
{
    size = size ? size : 1;
    return size >= PK_PAGES_LEAST ? pk_pages_size(size) : (size + 63) & ~(size_t)63;
}

static void *
take_from_heap(size_t size)
{
    void *memory = aligned_alloc(64, size);
    return memory == NULL && pk_pages_let_go() ? aligned_alloc(64, size) : memory;
}

void *
pk_allocate(size_t size)
{
    if (size > SIZE_MAX / 2 || must_fail()) {
        return NULL;
    }
    size = rounded(size);
    void *memory = size >= PK_PAGES_LEAST ? pk_pages_take(size) : take_from_heap(size);
    if (memory != NULL) {
        atomic_fetch_add_explicit(&allocated, size, memory_order_relaxed);
    }
    return memory;
}

void
pk_release(void *memory, size_t size)
{
    if (memory == NULL) {
        return;
    }
    const int before = errno;
    size = rounded(size);
    atomic_fetch_sub_explicit(&allocated, size, memory_order_relaxed);
    if (size >= PK_PAGES_LEAST) {
        pk_pages_give(memory, size);
    } else {
        free(memory);
    }
    errno = before;
}

static void *
resize_pages(void *memory, size_t old_size, size_t size)
{
    if (size > SIZE_MAX / 2 || must_fail()) {
        return NULL;
    }
    old_size = rounded(old_size);
    size = rounded(size);
    void *moved = size == old_size ? memory : pk_pages_resize(memory, old_size, size);
    if (moved != NULL) {
        atomic_fetch_add_explicit(&allocated, size - old_size, memory_order_relaxed);
    }
    return moved;
}

void *
pk_resize(void *memory, size_t old_size, size_t size)
{
    if (memory == NULL) {
        return pk_allocate(size);
    }
    if (rounded(old_size) >= PK_PAGES_LEAST && rounded(size) >= PK_PAGES_LEAST) {
        return resize_pages(memory, old_size, size);
    }
    void *moved = pk_allocate(size);
    if (moved != NULL) {
        memcpy(moved, memory, old_size < size ? old_size : size);
        pk_release(memory, old_size);
    }
    return moved;
}

pk_status
pk_space_for(pk_space *space, size_t size)
{
    if (size <= space->size) {
        return PK_OK;
    }
    pk_release(space->bytes, space->size);
    space->bytes = pk_allocate(size);
    space->size = space->bytes == NULL ? 0 : size;
    return space->bytes == NULL ? PK_NO_MEMORY : PK_OK;
}

void
pk_space_free(pk_space *space)
{
    pk_release(space->bytes, space->size);
    *space = (pk_space){0};
}

/* A flag that is only ever tried, never waited for: a fork at a bad moment costs a kept slab,
 * not a deadlock. */
static atomic_flag kept_lock = ATOMIC_FLAG_INIT;
static void *kept[SLABS_KEPT];
static size_t kept_count;

static void *
kept_slab(void)
{
    void *slab = NULL;
    if (!atomic_flag_test_and_set_explicit(&kept_lock, memory_order_acquire)) {
        if (kept_count > 0) {
            slab = kept[--kept_count];
        }
        atomic_flag_clear_explicit(&kept_lock, memory_order_release);
    }
    return slab;
}

static void *
fresh_slab(void)
{
#ifdef PK_DEBUG
    return aligned_alloc(64, PK_SLAB_SIZE);
#endif
    /* twice the size, to cut the aligned one out of it: only then is it one huge page */
    uint8_t *memory = mmap(NULL, 2 * PK_SLAB_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    size_t before = -(uintptr_t)memory & (PK_SLAB_SIZE - 1);
    if (before > 0) {
        (void)munmap(memory, before);
    }
    if (before < PK_SLAB_SIZE) {
        (void)munmap(memory + before + PK_SLAB_SIZE, PK_SLAB_SIZE - before);
    }
#ifdef MADV_HUGEPAGE
    (void)madvise(memory + before, PK_SLAB_SIZE, MADV_HUGEPAGE);
#endif
    return memory + before;
}

void *
pk_take_slab(void)
{
    if (must_fail()) {
        return NULL;
    }
    void *slab = kept_slab();
    if (slab == NULL) {
        slab = fresh_slab();
    }
    if (slab != NULL) {
        atomic_fetch_add_explicit(&allocated, PK_SLAB_SIZE, memory_order_relaxed);
    }
    return slab;
}

void
pk_give_slab(void *slab)
{
    bool keep = false;
    atomic_fetch_sub_explicit(&allocated, PK_SLAB_SIZE, memory_order_relaxed);
    if (!atomic_flag_test_and_set_explicit(&kept_lock, memory_order_acquire)) {
        keep = kept_count + 1 <= SLABS_KEPT; /* in a debug build none is kept */
        if (keep) {
            kept[kept_count++] = slab;
        }
        atomic_flag_clear_explicit(&kept_lock, memory_order_release);
    }
    if (!keep) {
        const int before = errno;
#ifdef PK_DEBUG
        free(slab);
#else
        (void)munmap(slab, PK_SLAB_SIZE);
#endif
        errno = before;
    }
}
