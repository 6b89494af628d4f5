/* Between a program and libc: makes the calls by which it changes files below one folder fail.
 *
 * Loaded by LD_PRELOAD. PLAYS_FAULT_DIR names the folder (absolute, without links) and
 * PLAYS_FAULT_CONTROL a file that all processes map and share: what is in it, faults.py says, too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum operation { OPEN, WRITE, SYNC, ALLOCATE, TRUNCATE, RENAME, MKDIR, UNLINK, UTIME, CLOSE };
enum mode { OFF, ONCE, STICKY };

static const char *const names[] = {"open",   "write", "sync",   "allocate", "truncate",
                                    "rename", "mkdir", "unlink", "utime",    "close"};

/* In place of an error number: do half of it. */
#define SHORT (-1)

typedef struct {
    _Atomic uint32_t mode;
    uint32_t operations; /* a bit for each that counts */
    int32_t error;       /* number, or SHORT */
    uint32_t unused;
    uint64_t nth;          /* of those that count, from 1 on: fails */
    _Atomic uint64_t seen; /* that counted */
    _Atomic uint64_t hits; /* that failed */
    char first[216];       /* the first that failed */
} control_block;

static control_block *control;
static char folder[PATH_MAX];
static size_t folder_size;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void
start(void)
{
    const char *below = getenv("PLAYS_FAULT_DIR"), *path = getenv("PLAYS_FAULT_CONTROL");
    if (below == NULL || path == NULL) {
        return;
    }
    folder_size = strlen(below);
    memcpy(folder, below, folder_size + 1);
    int descriptor = REAL(open)(path, O_RDWR | O_CLOEXEC);
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED) {
        perror(path);
        abort();
    }
    REAL(close)(descriptor);
    control = memory;
}

/* ---- Which calls are meant ---- */

static bool
is_armed(void)
{
    return control != NULL && atomic_load(&control->mode) != OFF;
}

static bool
is_below(const char *path)
{
    return strncmp(path, folder, folder_size) == 0 && path[folder_size] == '/';
}

static bool
path_of(int descriptor, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

/* Whether this call fails: 0, an error number, or SHORT. `path` is absolute. */
static int
fault(enum operation operation, const char *path)
{
    if (!is_below(path) || !(control->operations & 1U << operation)) {
        return 0;
    }
    uint64_t number = atomic_fetch_add(&control->seen, 1) + 1;
    bool hit = atomic_load(&control->mode) == STICKY ? number >= control->nth
                                                     : number == control->nth;
    if (!hit) {
        return 0;
    }
    if (atomic_fetch_add(&control->hits, 1) == 0) {
        snprintf(control->first, sizeof control->first, "%s %s", names[operation],
                 path + folder_size + 1);
    }
    return control->error;
}

/* For a call on a descriptor; 0 also with the real error where there is no such descriptor. */
static int
fault_of(enum operation operation, int descriptor)
{
    char path[PATH_MAX];
    int before = errno;
    int found = is_armed() && path_of(descriptor, path) ? fault(operation, path) : 0;
    errno = before;
    return found;
}

/* For a call on a path that may be relative to an open folder. */
static int
fault_at(enum operation operation, int at, const char *path)
{
    char whole[2 * PATH_MAX];
    int before = errno;
    bool known = is_armed() && path != NULL;
    if (known && path[0] != '/') {
        known = at == AT_FDCWD ? getcwd(whole, PATH_MAX) != NULL : path_of(at, whole);
        if (known) {
            size_t size = strlen(whole);
            snprintf(whole + size, sizeof whole - size, "/%s", path);
            path = whole;
        }
    }
    int found = known ? fault(operation, path) : 0;
    errno = before;
    return found;
}

static int
failed(int error)
{
    errno = error > 0 ? error : EIO;
    return -1;
}

static size_t
half(size_t size)
{
    return size / 2 + size % 2;
}

/* ---- Files appear and go ---- */

static bool
is_for_writing(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC)) != 0;
}

#define OPEN_AT(name, at, path, flags, ...)                                                        \
    mode_t mode = 0;                                                                               \
    if (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE) {                               \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode = va_arg(rest, mode_t);                                                               \
        va_end(rest);                                                                              \
    }                                                                                              \
    int error = is_for_writing(flags) ? fault_at(OPEN, at, path) : 0;                              \
    return error ? failed(error) : REAL(name)(__VA_ARGS__, mode)

int
open(const char *path, int flags, ...)
{
    OPEN_AT(open, AT_FDCWD, path, flags, path, flags);
}

int
open64(const char *path, int flags, ...)
{
    OPEN_AT(open64, AT_FDCWD, path, flags, path, flags);
}

int
openat(int at, const char *path, int flags, ...)
{
    OPEN_AT(openat, at, path, flags, at, path, flags);
}

int
openat64(int at, const char *path, int flags, ...)
{
    OPEN_AT(openat64, at, path, flags, at, path, flags);
}

int
mkdir(const char *path, mode_t mode)
{
    int error = fault_at(MKDIR, AT_FDCWD, path);
    return error ? failed(error) : REAL(mkdir)(path, mode);
}

int
rename(const char *from, const char *to)
{
    int error = fault_at(RENAME, AT_FDCWD, from);
    return error ? failed(error) : REAL(rename)(from, to);
}

int
renameat(int from_at, const char *from, int to_at, const char *to)
{
    int error = fault_at(RENAME, from_at, from);
    return error ? failed(error) : REAL(renameat)(from_at, from, to_at, to);
}

int
unlink(const char *path)
{
    int error = fault_at(UNLINK, AT_FDCWD, path);
    return error ? failed(error) : REAL(unlink)(path);
}

int
unlinkat(int at, const char *path, int flags)
{
    int error = fault_at(UNLINK, at, path);
    return error ? failed(error) : REAL(unlinkat)(at, path, flags);
}

int
rmdir(const char *path)
{
    int error = fault_at(UNLINK, AT_FDCWD, path);
    return error ? failed(error) : REAL(rmdir)(path);
}

int
utimensat(int at, const char *path, const struct timespec times[2], int flags)
{
    int error = fault_at(UTIME, at, path);
    return error ? failed(error) : REAL(utimensat)(at, path, times, flags);
}

/* ---- Bytes ---- */

ssize_t
write(int descriptor, const void *bytes, size_t size)
{
    int error = fault_of(WRITE, descriptor);
    if (error > 0) {
        return failed(error);
    }
    return REAL(write)(descriptor, bytes, error == SHORT ? half(size) : size);
}

ssize_t
writev(int descriptor, const struct iovec *pieces, int count)
{
    int error = fault_of(WRITE, descriptor);
    if (error > 0) {
        return failed(error);
    }
    if (error == SHORT) {
        return count > 1 ? REAL(writev)(descriptor, pieces, (int)half((size_t)count))
                         : REAL(write)(descriptor, pieces->iov_base, half(pieces->iov_len));
    }
    return REAL(writev)(descriptor, pieces, count);
}

ssize_t
pwrite(int descriptor, const void *bytes, size_t size, off_t offset)
{
    int error = fault_of(WRITE, descriptor);
    if (error > 0) {
        return failed(error);
    }
    return REAL(pwrite)(descriptor, bytes, error == SHORT ? half(size) : size, offset);
}

ssize_t
pwrite64(int descriptor, const void *bytes, size_t size, off64_t offset)
{
    int error = fault_of(WRITE, descriptor);
    if (error > 0) {
        return failed(error);
    }
    return REAL(pwrite64)(descriptor, bytes, error == SHORT ? half(size) : size, offset);
}

int
fsync(int descriptor)
{
    int error = fault_of(SYNC, descriptor);
    return error ? failed(error) : REAL(fsync)(descriptor);
}

int
fdatasync(int descriptor)
{
    int error = fault_of(SYNC, descriptor);
    return error ? failed(error) : REAL(fdatasync)(descriptor);
}

int
fallocate(int descriptor, int mode, off_t offset, off_t size)
{
    int error = fault_of(ALLOCATE, descriptor);
    return error ? failed(error) : REAL(fallocate)(descriptor, mode, offset, size);
}

int
fallocate64(int descriptor, int mode, off64_t offset, off64_t size)
{
    int error = fault_of(ALLOCATE, descriptor);
    return error ? failed(error) : REAL(fallocate64)(descriptor, mode, offset, size);
}

int
posix_fallocate(int descriptor, off_t offset, off_t size)
{
    int error = fault_of(ALLOCATE, descriptor);
    return error ? error : REAL(posix_fallocate)(descriptor, offset, size);
}

int
posix_fallocate64(int descriptor, off64_t offset, off64_t size)
{
    int error = fault_of(ALLOCATE, descriptor);
    return error ? error : REAL(posix_fallocate64)(descriptor, offset, size);
}

int
ftruncate(int descriptor, off_t size)
{
    int error = fault_of(TRUNCATE, descriptor);
    return error ? failed(error) : REAL(ftruncate)(descriptor, size);
}

int
ftruncate64(int descriptor, off64_t size)
{
    int error = fault_of(TRUNCATE, descriptor);
    return error ? failed(error) : REAL(ftruncate64)(descriptor, size);
}

/* As Linux has it: the descriptor is gone, whatever is answered. */
int
close(int descriptor)
{
    int error = 0;
    if (is_armed() && is_for_writing(fcntl(descriptor, F_GETFL))) {
        error = fault_of(CLOSE, descriptor);
    }
    int closed = REAL(close)(descriptor);
    return error ? failed(error) : closed;
}
