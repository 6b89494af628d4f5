/* A libFuzzer target: the kernel, instrumented, in an interpreter that compares it with the pure
 * implementation (differential.py). */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>

PyMODINIT_FUNC PyInit__kernel(void);

static PyObject *check;

static void
die(void)
{
    PyErr_Print();
    abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    /* under its full name, so that the package finds it as if it were its own */
    if (PyImport_AppendInittab("plays_service.aggregation._kernel", PyInit__kernel) < 0) {
        abort();
    }
    Py_InitializeEx(0);
    PyObject *module = PyImport_ImportModule("tests.fuzz.differential");
    check = module == NULL ? NULL : PyObject_GetAttrString(module, "check");
    if (check == NULL) {
        die();
    }
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PyObject *result = PyObject_CallFunction(check, "y#", (const char *)data, (Py_ssize_t)size);
    if (result == NULL) {
        die();
    }
    Py_DECREF(result);
    return 0;
}
