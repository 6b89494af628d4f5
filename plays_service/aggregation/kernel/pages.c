#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mremap */
#endif
#include "pages.h"

#include <stdatomic.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define PAGE ((size_t)4 << 10)
#define HUGE_FROM ((size_t)4 << 20)

/* ---- Kept pages ---- */

/* Pages that are given back are soon asked for again, by the next call, and fresh ones cost about as
 * much as what is done in them. So the last ones are kept, as long as they are few. */
#define KEPT_MOST 32
#define KEPT_BYTES ((size_t)16 << 20)
#define KEPT_LARGEST ((size_t)4 << 20)

typedef struct {
    void *pages;
    size_t size;
} stretch;

/* Only ever tried, never waited for: a fork at a bad moment costs what is kept, not a deadlock. */
static atomic_flag kept_lock = ATOMIC_FLAG_INIT;
static stretch kept[KEPT_MOST]; /* the oldest first */
static size_t kept_count;
static size_t kept_bytes;

static bool
lock_kept(void)
{
    return !atomic_flag_test_and_set_explicit(&kept_lock, memory_order_acquire);
}

static void
unlock_kept(void)
{
    atomic_flag_clear_explicit(&kept_lock, memory_order_release);
}

static stretch
remove_kept(size_t at)
{
    stretch one = kept[at];
    kept_count--;
    kept_bytes -= one.size;
    memmove(&kept[at], &kept[at + 1], (kept_count - at) * sizeof *kept);
    return one;
}

static void *
take_kept(size_t size)
{
    void *pages = NULL;
    if (size > KEPT_LARGEST || !lock_kept()) {
        return NULL;
    }
    for (size_t i = kept_count; i > 0 && pages == NULL; i--) {
        if (kept[i - 1].size == size) {
            pages = remove_kept(i - 1).pages;
        }
    }
    unlock_kept();
    return pages;
}

/* Gives the oldest back to the system, until `size` bytes more may be kept. */
static void
make_room(size_t size)
{
    while (kept_count > 0 && (kept_count == KEPT_MOST || kept_bytes + size > KEPT_BYTES)) {
        stretch oldest = remove_kept(0);
        (void)munmap(oldest.pages, oldest.size);
    }
}

static bool
keep(void *pages, size_t size)
{
    if (size > KEPT_LARGEST || !lock_kept()) {
        return false;
    }
    make_room(size);
    kept[kept_count++] = (stretch){pages, size};
    kept_bytes += size;
    unlock_kept();
    return true;
}

bool
pk_pages_let_go(void)
{
    if (!lock_kept()) {
        return false;
    }
    const bool some = kept_count > 0;
    make_room(KEPT_BYTES);
    unlock_kept();
    return some;
}

/* ---- Pages ---- */

size_t
pk_pages_size(size_t size)
{
    size_t unit = PAGE;
    /* few different sizes, so that what is kept fits what is asked for: an eighth more at most */
    while (size <= KEPT_LARGEST && unit * 16 <= size) {
        unit *= 2;
    }
    return (size + unit - 1) & ~(unit - 1);
}

static void
prefer_huge(void *pages, size_t size)
{
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_FROM) {
        (void)madvise(pages, size, MADV_HUGEPAGE);
    }
#else
    (void)pages;
    (void)size;
#endif
}

static void *
map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void *
pk_pages_take(size_t size)
{
    void *pages = take_kept(size);
    if (pages != NULL) {
        return pages;
    }
    pages = map(size);
    if (pages == NULL && pk_pages_let_go()) {
        pages = map(size);
    }
    if (pages != NULL) {
        prefer_huge(pages, size);
    }
    return pages;
}

void
pk_pages_give(void *pages, size_t size)
{
    if (!keep(pages, size)) {
        (void)munmap(pages, size);
    }
}

static void *
resize_by_copy(void *pages, size_t old_size, size_t size, void *moved)
{
    if (moved != NULL) {
        memcpy(moved, pages, old_size < size ? old_size : size);
        pk_pages_give(pages, old_size);
    }
    return moved;
}

void *
pk_pages_resize(void *pages, size_t old_size, size_t size)
{
#ifdef __linux__
    void *moved = take_kept(size);
    if (moved != NULL) {
        return resize_by_copy(pages, old_size, size, moved);
    }
    moved = mremap(pages, old_size, size, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED && pk_pages_let_go()) {
        moved = mremap(pages, old_size, size, MREMAP_MAYMOVE);
    }
    if (moved == MAP_FAILED) {
        return NULL;
    }
    prefer_huge(moved, size);
    return moved;
#else
    return resize_by_copy(pages, old_size, size, pk_pages_take(size));
#endif
}
