/* An extension module around `work.h`: each function with the interpreter's lock, and without. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "work.h"

static PyObject *mix(PyObject *self, PyObject *arguments)
{
    int without = 0, threads = 0;
    if (!PyArg_ParseTuple(arguments, "|pi", &without, &threads))
        return NULL;
    PyThreadState *state = without ? PyEval_SaveThread() : NULL;
    if (threads)
        work_mix_in_threads(threads);
    else
        work_mix();
    if (state)
        PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

static PyObject *churn(PyObject *self, PyObject *unused)
{
    Py_BEGIN_ALLOW_THREADS
    work_churn();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *keep(PyObject *self, PyObject *arguments)
{
    const char *how;
    Py_ssize_t size;
    int without = 0, kept;
    if (!PyArg_ParseTuple(arguments, "sn|p", &how, &size, &without))
        return NULL;
    PyThreadState *state = without ? PyEval_SaveThread() : NULL;
    kept = work_keep(how, (size_t)size);
    if (state)
        PyEval_RestoreThread(state);
    return PyBool_FromLong(kept);
}

static PyObject *drop(PyObject *self, PyObject *unused)
{
    work_drop();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"mix", mix, METH_VARARGS, "mix(without_lock=False, threads=0)"},
    {"churn", churn, METH_NOARGS, "churn(), without the lock"},
    {"keep", keep, METH_VARARGS, "keep(how, size, without_lock=False)"},
    {"drop", drop, METH_NOARGS, "drop()"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "extension", NULL, -1, methods};

PyMODINIT_FUNC PyInit_extension(void) { return PyModule_Create(&definition); }
