/* The Python module `_kernel`: arguments in, the GIL released, outcomes back. What they mean is
 * for native.py to say. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "groupfile.h"
#include "index.h"
#include "json.h"
#include "memory.h"
#include "merge.h"
#include "output.h"
#include "restore.h"
#include "scan.h"
#include "segment.h"
#include "view.h"

#define MAGIC_SIZE 8

static PyObject *damaged_error; /* args: the number of the file */

/* Raises what `status` stands for; `path` is a bytes object, or NULL for none. */
static PyObject *
raise_status(pk_status status, int number, PyObject *path, size_t file)
{
    if (status == PK_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (status == PK_DAMAGED) {
        PyObject *which = PyLong_FromSize_t(file);
        if (which != NULL) {
            PyErr_SetObject(damaged_error, which);
            Py_DECREF(which);
        }
        return NULL;
    }
    errno = number;
    PyObject *name = NULL;
    if (path != NULL) {
        name = PyUnicode_DecodeFSDefault(PyBytes_AsString(path));
        if (name == NULL) {
            return NULL;
        }
    }
    errno = number;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, name);
    Py_XDECREF(name);
    return NULL;
}

static bool
read_dialect(PyObject *tuple, pk_dialect *dialect)
{
    const char *delimiter, *line_end;
    Py_ssize_t delimiter_size, line_end_size;
    if (!PyArg_ParseTuple(tuple, "y#y#IIII;a dialect", &delimiter, &delimiter_size, &line_end,
                          &line_end_size, &dialect->fields, &dialect->song, &dialect->date,
                          &dialect->plays)) {
        return false;
    }
    bool columns = dialect->song < dialect->fields && dialect->date < dialect->fields &&
                   dialect->plays < dialect->fields && dialect->song != dialect->date &&
                   dialect->song != dialect->plays && dialect->date != dialect->plays;
    bool line = line_end_size == 1 && (*line_end == '\n' || *line_end == '\r');
    if (!columns || !line || delimiter_size != 1 || *delimiter == '"' ||
        *delimiter == *line_end) {
        PyErr_SetString(PyExc_ValueError, "not a dialect");
        return false;
    }
    dialect->delimiter = (uint8_t)*delimiter;
    dialect->line_end = (uint8_t)*line_end;
    return true;
}

/* Appends to a list what Py_BuildValue has made; false with an exception. */
static bool
append(PyObject *list, PyObject *one)
{
    bool done = one != NULL && PyList_Append(list, one) == 0;
    Py_XDECREF(one);
    return done;
}

static PyObject *
bad_list(const pk_scan *scan)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < scan->bad_count; i++) {
        const pk_bad *bad = &scan->bad[i];
        if (!append(list, Py_BuildValue("KKiK", (unsigned long long)bad->offset,
                                        (unsigned long long)bad->line, (int)bad->kind,
                                        (unsigned long long)bad->opened))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

typedef struct {
    PyObject *path; /* bytes */
    PyObject *output;
    unsigned long long start;
    unsigned long long end;
    pk_dialect dialect;
    int skip_errors;
    int rough; /* the start is any byte: the records begin with the line that starts there or later */
    pk_means means;
    int descriptor;
    int output_descriptor;
} request;

static pk_status
open_scan(pk_scan *scan, request *what)
{
    what->descriptor = open(PyBytes_AsString(what->path), O_RDONLY | O_CLOEXEC);
    if (what->descriptor < 0) {
        return PK_INPUT_ERROR;
    }
    struct stat about;
    if (fstat(what->descriptor, &about) < 0) {
        return PK_INPUT_ERROR;
    }
    uint64_t size = (uint64_t)about.st_size;
    what->end = what->end < size ? what->end : size;
    what->start -= what->rough && what->start > 0; /* a line may start right here */
    what->start = what->start < what->end ? what->start : what->end;
    pk_status status =
        pk_scan_open(scan, what->descriptor, what->start, what->end, &what->dialect);
    scan->skip_errors = what->skip_errors;
    if (status == PK_OK && what->rough) {
        status = pk_scan_find_line(scan);
    }
    what->start = pk_scan_offset(scan);
    return status;
}

static void
close_request(pk_scan *scan, request *what)
{
    pk_scan_close(scan);
    if (what->descriptor >= 0) {
        (void)close(what->descriptor);
    }
}

static pk_status
segment_work(request *what, pk_scan *scan, pk_writer *writer)
{
    pk_status status = open_scan(scan, what);
    if (status != PK_OK) {
        return status;
    }
    what->output_descriptor =
        open(PyBytes_AsString(what->output), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (what->output_descriptor < 0) {
        return PK_OUTPUT_ERROR;
    }
    pk_writer_open(writer, what->output_descriptor, MAGIC_SIZE);
    return pk_aggregate_segment(scan, &what->means, writer);
}

PyDoc_STRVAR(aggregate_segment_doc,
             "aggregate_segment(path, start, end, rough, base, dialect, skip_errors, seed, memory, "
             "sample, output)\n--\n\nWrite a segment's groups as the blocks of a partial, which "
             "has no magic, index and trailer yet.\nReturns (true start, true end, whether the "
             "file's end was met, stopped, rows, lines, skipped, bad, index, offset of the "
             "index).");

static PyObject *
aggregate_segment(PyObject *Py_UNUSED(module), PyObject *args)
{
    request what = {.descriptor = -1, .output_descriptor = -1};
    PyObject *dialect;
    unsigned long long seed, base;
    Py_ssize_t memory, sample;
    if (!PyArg_ParseTuple(args, "SKKpKO!pKnnS", &what.path, &what.start, &what.end, &what.rough,
                          &base, &PyTuple_Type, &dialect, &what.skip_errors, &seed, &memory,
                          &sample, &what.output) ||
        !read_dialect(dialect, &what.dialect)) {
        return NULL;
    }
    what.means = (pk_means){seed, memory < 0 ? 0 : (size_t)memory, sample < 1 ? 1 : (size_t)sample,
                            base};
    pk_scan *scan = PyMem_Calloc(1, sizeof *scan);
    if (scan == NULL) {
        return PyErr_NoMemory();
    }
    pk_writer writer;
    pk_status status;
    int number;
    bool at_end;
    pk_writer_open(&writer, -1, MAGIC_SIZE);
    Py_BEGIN_ALLOW_THREADS
    status = segment_work(&what, scan, &writer);
    status = pk_close_written(what.output_descriptor, status);
    number = errno;
    at_end = scan->buffer.at_end;
    close_request(scan, &what);
    Py_END_ALLOW_THREADS
    PyObject *result = NULL;
    if (status == PK_OK || status == PK_STOPPED) {
        PyObject *bad = bad_list(scan);
        if (bad != NULL) {
            result = Py_BuildValue(
                "KKNNKKKNy#K", what.start, (unsigned long long)pk_scan_offset(scan),
                PyBool_FromLong(at_end), PyBool_FromLong(status == PK_STOPPED),
                (unsigned long long)scan->batch.taken, (unsigned long long)scan->lines,
                (unsigned long long)scan->skipped, bad,
                writer.index == NULL ? "" : (const char *)writer.index,
                (Py_ssize_t)writer.index_used, (unsigned long long)writer.out.offset);
        }
    } else {
        raise_status(status, number, status == PK_INPUT_ERROR ? what.path : what.output, 0);
    }
    pk_writer_close(&writer);
    PyMem_Free(scan);
    return result;
}

PyDoc_STRVAR(aggregate_file_doc,
             "aggregate_file(path, start, dialect, skip_errors, seed, memory, output, header)\n"
             "--\n\nAggregate a file into its result in memory.\nReturns (stopped, rows, lines, "
             "skipped, bad, groups), or None where the groups outgrow the memory.");

static PyObject *
aggregate_file(PyObject *Py_UNUSED(module), PyObject *args)
{
    request what = {.descriptor = -1, .output_descriptor = -1, .end = UINT64_MAX};
    PyObject *dialect;
    unsigned long long seed;
    Py_ssize_t memory, header_size;
    const char *header;
    if (!PyArg_ParseTuple(args, "SKO!pKnSy#", &what.path, &what.start, &PyTuple_Type, &dialect,
                          &what.skip_errors, &seed, &memory, &what.output, &header,
                          &header_size) ||
        !read_dialect(dialect, &what.dialect)) {
        return NULL;
    }
    what.means = (pk_means){seed, memory < 0 ? 0 : (size_t)memory, 1, 0};
    pk_scan *scan = PyMem_Calloc(1, sizeof *scan);
    if (scan == NULL) {
        return PyErr_NoMemory();
    }
    const pk_new_result written = {PyBytes_AsString(what.output), (const uint8_t *)header,
                                   (size_t)header_size};
    pk_status status;
    uint64_t groups = 0;
    int number;
    Py_BEGIN_ALLOW_THREADS
    status = open_scan(scan, &what);
    if (status == PK_OK) {
        status = pk_aggregate_whole(scan, &what.means, &written, &groups);
    }
    number = errno;
    close_request(scan, &what);
    Py_END_ALLOW_THREADS
    PyObject *result = NULL;
    if (status == PK_OK || status == PK_STOPPED) {
        PyObject *bad = bad_list(scan);
        if (bad != NULL) {
            result = Py_BuildValue(
                "NKKKNK", PyBool_FromLong(status == PK_STOPPED), (unsigned long long)scan->batch.taken,
                (unsigned long long)scan->lines, (unsigned long long)scan->skipped, bad,
                (unsigned long long)groups);
        }
    } else if (status == PK_OUTGROWN) {
        result = Py_NewRef(Py_None);
    } else {
        raise_status(status, number, status == PK_INPUT_ERROR ? what.path : what.output, 0);
    }
    PyMem_Free(scan);
    return result;
}

/* The paths in a tuple of bytes objects; NULL with an exception. Free with PyMem_Free. */
static const char **
path_array(PyObject *tuple)
{
    Py_ssize_t count = PyTuple_Size(tuple);
    const char **paths = PyMem_Malloc(((size_t)count + 1) * sizeof *paths);
    if (paths == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        paths[i] = PyBytes_AsString(PyTuple_GetItem(tuple, i));
        if (paths[i] == NULL) {
            PyMem_Free(paths);
            return NULL;
        }
    }
    return paths;
}

PyDoc_STRVAR(merge_partitions_doc,
             "merge_partitions(partials, first, last, output, seed, memory, range_size)\n--\n\n"
             "Merge partitions [first, last) into the blocks of a run, or of a partial where "
             "range_size is 0; it has no magic, index and trailer yet.\nReturns (groups, index, "
             "offset of the index).");

static PyObject *
merge_partitions(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *partials, *output;
    unsigned int first, last;
    unsigned long long seed, range_size;
    Py_ssize_t memory;
    if (!PyArg_ParseTuple(args, "O!IISKnK", &PyTuple_Type, &partials, &first, &last, &output,
                          &seed, &memory, &range_size)) {
        return NULL;
    }
    size_t files = (size_t)PyTuple_Size(partials);
    const char **paths = path_array(partials);
    if (paths == NULL) {
        return NULL;
    }
    pk_merge_means means = {seed, memory < 0 ? 0 : (size_t)memory, range_size};
    pk_failure failure = {0};
    pk_blocks blocks;
    pk_writer writer;
    pk_status status;
    uint64_t groups = 0;
    int number;
    Py_BEGIN_ALLOW_THREADS
    pk_writer_open(&writer, -1, MAGIC_SIZE);
    status = pk_blocks_open(&blocks, paths, files, first, last, &failure);
    if (status == PK_OK) {
        int descriptor =
            open(PyBytes_AsString(output), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        status = descriptor < 0 ? PK_OUTPUT_ERROR : PK_OK;
        if (status == PK_OK) {
            pk_writer_open(&writer, descriptor, MAGIC_SIZE);
            status = range_size > 0 ? pk_merge(&blocks, &means, &writer, &groups, &failure)
                                    : pk_combine(&blocks, &means, &writer, &groups, &failure);
            status = pk_close_written(descriptor, status);
        }
    }
    number = errno;
    pk_blocks_close(&blocks);
    Py_END_ALLOW_THREADS
    PyMem_Free(paths);
    PyObject *result = NULL;
    if (status == PK_OK) {
        result = Py_BuildValue("Ky#K", (unsigned long long)groups,
                               writer.index == NULL ? "" : (const char *)writer.index,
                               (Py_ssize_t)writer.index_used, (unsigned long long)writer.out.offset);
    } else {
        PyObject *path =
            status == PK_OUTPUT_ERROR ? output : PyTuple_GetItem(partials, (Py_ssize_t)failure.file);
        raise_status(status, number, path, failure.file);
    }
    pk_writer_close(&writer);
    return result;
}

PyDoc_STRVAR(merge_file_doc,
             "merge_file(partials, output, seed, memory, header)\n--\n\nMerge partials into "
             "their result in memory.\nReturns the number of groups, or None where they may "
             "outgrow the memory.");

static PyObject *
merge_file(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *partials, *output;
    unsigned long long seed;
    Py_ssize_t memory, header_size;
    const char *header;
    if (!PyArg_ParseTuple(args, "O!SKny#", &PyTuple_Type, &partials, &output, &seed, &memory,
                          &header, &header_size)) {
        return NULL;
    }
    size_t files = (size_t)PyTuple_Size(partials);
    const char **paths = path_array(partials);
    if (paths == NULL) {
        return NULL;
    }
    const pk_merge_means means = {seed, memory < 0 ? 0 : (size_t)memory, 0};
    const pk_new_result written = {PyBytes_AsString(output), (const uint8_t *)header,
                                   (size_t)header_size};
    pk_failure failure = {0};
    pk_blocks blocks;
    pk_status status;
    uint64_t groups = 0;
    int number;
    Py_BEGIN_ALLOW_THREADS
    status = pk_blocks_open(&blocks, paths, files, 0, PK_PARTITIONS, &failure);
    if (status == PK_OK) {
        status = pk_merge_at_once(&blocks, &means, &written, &groups, &failure);
    }
    number = errno;
    pk_blocks_close(&blocks);
    Py_END_ALLOW_THREADS
    PyMem_Free(paths);
    if (status == PK_OK) {
        return PyLong_FromUnsignedLongLong(groups);
    }
    if (status == PK_OUTGROWN) {
        Py_RETURN_NONE;
    }
    PyObject *path =
        status == PK_OUTPUT_ERROR ? output : PyTuple_GetItem(partials, (Py_ssize_t)failure.file);
    return raise_status(status, number, path, failure.file);
}

PyDoc_STRVAR(write_ranges_doc, "write_ranges(runs, first, last, output, offset)\n--\n\n"
                               "Write the rows of buckets [first, last) into an existing file, "
                               "in order of first row.");

static PyObject *
write_ranges(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *runs, *output;
    unsigned int first, last;
    unsigned long long offset;
    if (!PyArg_ParseTuple(args, "O!IISK", &PyTuple_Type, &runs, &first, &last, &output, &offset)) {
        return NULL;
    }
    size_t files = (size_t)PyTuple_Size(runs);
    const char **paths = path_array(runs);
    if (paths == NULL) {
        return NULL;
    }
    pk_failure failure = {0};
    pk_blocks blocks;
    pk_status status;
    int number;
    Py_BEGIN_ALLOW_THREADS
    status = pk_blocks_open(&blocks, paths, files, first, last, &failure);
    if (status == PK_OK) {
        int descriptor = open(PyBytes_AsString(output), O_WRONLY | O_CLOEXEC);
        status = descriptor < 0 ? PK_OUTPUT_ERROR
                                : pk_write_ranges(&blocks, descriptor, offset, &failure);
        status = pk_close_written(descriptor, status);
    }
    number = errno;
    pk_blocks_close(&blocks);
    Py_END_ALLOW_THREADS
    PyMem_Free(paths);
    if (status != PK_OK) {
        PyObject *path =
            status == PK_OUTPUT_ERROR ? output : PyTuple_GetItem(runs, (Py_ssize_t)failure.file);
        return raise_status(status, number, path, failure.file);
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(build_view_doc,
             "build_view(result, start, output, head_size, scratch, width, sort, descending, memory, "
             "needle, first_date, last_date, folds)\n--\n\nWrite the offsets of the rows of "
             "a result that match into a view, which has no head yet.\nReturns how many rows match.");

static PyObject *
build_view(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *result, *output, *scratch;
    pk_view_means means = {0};
    pk_match match = {0};
    unsigned long long start, head_size;
    unsigned int sort;
    int descending;
    Py_ssize_t memory, needle_size, folds_size;
    const char *needle, *folds;
    if (!PyArg_ParseTuple(args, "SKSKSIIpny#IIy#", &result, &start, &output, &head_size, &scratch,
                          &means.width, &sort, &descending, &memory, &needle, &needle_size,
                          &match.first_date, &match.last_date, &folds, &folds_size)) {
        return NULL;
    }
    if (sort > PK_BY_PLAYS || means.width < 1 || means.width > 8) {
        PyErr_SetString(PyExc_ValueError, "not a view");
        return NULL;
    }
    means.sort = (pk_sort)sort;
    means.descending = descending;
    means.memory = memory < 0 ? 0 : (size_t)memory;
    means.start = start;
    means.head_size = head_size;
    means.scratch = PyBytes_AsString(scratch);
    match.needle = (const uint8_t *)needle;
    match.needle_length = (size_t)needle_size;
    match.folds = (const pk_fold_entry *)(const void *)folds;
    match.fold_count = (size_t)folds_size / sizeof(pk_fold_entry);
    pk_status status = PK_INPUT_ERROR;
    uint64_t rows = 0;
    int number;
    Py_BEGIN_ALLOW_THREADS
    int from = open(PyBytes_AsString(result), O_RDONLY | O_CLOEXEC), to = -1;
    if (from >= 0) {
        to = open(PyBytes_AsString(output), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        status = to < 0 ? PK_OUTPUT_ERROR : pk_build_view(from, to, &means, &match, &rows);
    }
    status = pk_close_written(to, status);
    number = errno;
    if (from >= 0) {
        (void)close(from);
    }
    Py_END_ALLOW_THREADS
    if (status != PK_OK) {
        return raise_status(status, number, status == PK_INPUT_ERROR ? result : output, 0);
    }
    return PyLong_FromUnsignedLongLong(rows);
}

static PyObject *
wide(pk_int128 number)
{
    return PyBytes_FromStringAndSize((const char *)&number, sizeof number);
}

static PyObject *
period_list(const pk_digest *digest)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < PK_PERIODS; i++) {
        const pk_period *one = &digest->periods[i];
        if (one->period != 0 &&
            !append(list, Py_BuildValue("IN", (unsigned int)one->period, wide(one->plays)))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *
top_list(const pk_digest *digest)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < digest->top_count; i++) {
        const pk_top_song *one = &digest->top[i];
        if (!append(list, Py_BuildValue("y#N", (const char *)one->song, (Py_ssize_t)one->length,
                                        wide(one->plays)))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

PyDoc_STRVAR(summarize_doc,
             "summarize(result, start, seed, memory, most_periods)\n--\n\nReturns (rows, songs, "
             "dates, plays, first date, last date, divisor, periods, top songs); plays are 16 "
             "bytes each, in the machine's order.");

static PyObject *
summarize(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *result;
    unsigned long long start, seed;
    Py_ssize_t memory, most_periods;
    if (!PyArg_ParseTuple(args, "SKKnn", &result, &start, &seed, &memory, &most_periods)) {
        return NULL;
    }
    pk_digest_means means = {seed, memory < 0 ? 0 : (size_t)memory, start, (size_t)most_periods};
    pk_digest digest = {0};
    pk_status status = PK_INPUT_ERROR;
    int number;
    Py_BEGIN_ALLOW_THREADS
    int from = open(PyBytes_AsString(result), O_RDONLY | O_CLOEXEC);
    if (from >= 0) {
        status = pk_digest_result(from, &means, &digest);
    }
    number = errno;
    if (from >= 0) {
        (void)close(from);
    }
    Py_END_ALLOW_THREADS
    PyObject *outcome = NULL;
    if (status != PK_OK) {
        raise_status(status, number, result, 0);
    } else {
        outcome = Py_BuildValue(
            "KKKNIIINN", (unsigned long long)digest.rows, (unsigned long long)digest.songs,
            (unsigned long long)digest.dates, wide(digest.plays), (unsigned int)digest.first_date,
            (unsigned int)digest.last_date, (unsigned int)digest.divisor, period_list(&digest),
            top_list(&digest));
    }
    pk_digest_close(&digest);
    return outcome;
}

PyDoc_STRVAR(json_lines_doc, "json_lines(result, start, size)\n--\n\nReturns (lines of the rows "
                             "that begin in about size bytes from start on, where they end).");

static PyObject *
json_lines(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *result;
    unsigned long long start, size;
    if (!PyArg_ParseTuple(args, "SKK", &result, &start, &size)) {
        return NULL;
    }
    pk_json json = {0};
    pk_status status = PK_INPUT_ERROR;
    int number;
    Py_BEGIN_ALLOW_THREADS
    int from = open(PyBytes_AsString(result), O_RDONLY | O_CLOEXEC);
    if (from >= 0) {
        status = pk_json_lines(from, start, size, &json);
    }
    number = errno;
    if (from >= 0) {
        (void)close(from);
    }
    Py_END_ALLOW_THREADS
    PyObject *outcome =
        status == PK_OK
            ? Py_BuildValue("y#K", json.bytes == NULL ? "" : (const char *)json.bytes,
                            (Py_ssize_t)json.used, (unsigned long long)json.end)
            : raise_status(status, number, result, 0);
    pk_json_close(&json);
    return outcome;
}

PyDoc_STRVAR(use_index_doc, "use_index(name)\n--\n\nFor tests: use the indexer \"avx512\", \"avx2\", "
                            "\"sse2\", \"neon\" or \"plain\", None for the best; whether it is "
                            "here.");

static PyObject *
use_index(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    if (!PyArg_ParseTuple(args, "z", &name)) {
        return NULL;
    }
    return PyBool_FromLong(pk_choose_index(name));
}

PyDoc_STRVAR(fail_allocation_doc, "fail_allocation(count)\n--\n\nFor tests: make the allocation "
                                  "after count others fail, once; -1: none.");

static PyObject *
fail_allocation(PyObject *Py_UNUSED(module), PyObject *args)
{
    long count;
    if (!PyArg_ParseTuple(args, "l", &count)) {
        return NULL;
    }
    pk_fail_allocation(count);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(allocated_doc, "allocated()\n--\n\nFor tests: bytes that the kernel holds.");

static PyObject *
allocated(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args))
{
    return PyLong_FromSize_t(pk_allocated());
}

static PyMethodDef methods[] = {
    {"aggregate_segment", aggregate_segment, METH_VARARGS, aggregate_segment_doc},
    {"aggregate_file", aggregate_file, METH_VARARGS, aggregate_file_doc},
    {"merge_partitions", merge_partitions, METH_VARARGS, merge_partitions_doc},
    {"merge_file", merge_file, METH_VARARGS, merge_file_doc},
    {"write_ranges", write_ranges, METH_VARARGS, write_ranges_doc},
    {"build_view", build_view, METH_VARARGS, build_view_doc},
    {"summarize", summarize, METH_VARARGS, summarize_doc},
    {"json_lines", json_lines, METH_VARARGS, json_lines_doc},
    {"use_index", use_index, METH_VARARGS, use_index_doc},
    {"fail_allocation", fail_allocation, METH_VARARGS, fail_allocation_doc},
    {"allocated", allocated, METH_NOARGS, allocated_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "The aggregation in C. Use it through plays_service.aggregation.native.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__kernel(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL) {
        return NULL;
    }
    damaged_error = PyErr_NewExceptionWithDoc(
        "plays_service.aggregation._kernel.DamagedError",
        "A group file is damaged; the argument is its place among the files of the call.", NULL,
        NULL);
    if (damaged_error == NULL || PyModule_AddObjectRef(module, "DamagedError", damaged_error) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    if (PyModule_AddIntConstant(module, "RECORD_LIMIT", (long)PK_RECORD_LIMIT) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    (void)pk_choose_index(NULL);
    return module;
}
