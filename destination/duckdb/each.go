package duckdb

// void keyliftEach(void *info, void *rows, void *counts);
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// eachFunction is a function of SQL that hands the values of its arguments to a
// function of Go and returns 1 for each row. Its first argument is the cgo.Handle of
// that function, a func(*chunk).
const eachFunction = "keylift_each"

// registerEach makes eachFunction known to DuckDB.
func (c *conn) registerEach() error {
	f := mapping.CreateScalarFunction()
	defer mapping.DestroyScalarFunction(&f)
	number, anything := mapping.CreateLogicalType(mapping.TypeBigInt), mapping.CreateLogicalType(mapping.TypeAny)
	defer mapping.DestroyLogicalType(&number)
	defer mapping.DestroyLogicalType(&anything)
	mapping.ScalarFunctionSetName(f, eachFunction)
	mapping.ScalarFunctionSetVarargs(f, anything)
	mapping.ScalarFunctionSetReturnType(f, number)
	// NULL is handed on as any value is, and equal rows are not called for once.
	mapping.ScalarFunctionSetSpecialHandling(f)
	mapping.ScalarFunctionSetVolatile(f)
	mapping.ScalarFunctionSetFunction(f, C.keyliftEach)
	if mapping.RegisterScalarFunction(c.c, f) == mapping.StateError {
		return errors.New("DuckDB takes no function of keylift")
	}
	return nil
}

// keyliftEach is called by DuckDB (duckdb_scalar_function_t), which has made all
// vectors flat: a value a row.
//
//export keyliftEach
func keyliftEach(_, rows, counts unsafe.Pointer) {
	c := newChunk(mapping.DataChunk{Ptr: rows})
	if c.rows == 0 {
		return
	}
	f := cgo.Handle(values[int64](&c.columns[0], 1)[0]).Value().(func(*chunk))
	c.columns = c.columns[1:]
	f(c)
	result := vector{values: mapping.VectorGetData(mapping.Vector{Ptr: counts})}
	for i := range values[int64](&result, c.rows) {
		values[int64](&result, c.rows)[i] = 1
	}
}

// each hands f, chunk by chunk, these columns of those rows of a table that meet a
// condition, and returns how many they are. They are where DuckDB reads them: a query
// would copy them first. f may run no statement.
func (d *Destination) each(ctx context.Context, name, columns, where string, f func(*chunk)) (int64, error) {
	handle := cgo.NewHandle(f)
	defer handle.Delete()
	return d.count(ctx, "SELECT sum("+eachFunction+"(?::BIGINT, "+columns+"))::BIGINT FROM "+d.name(name)+" WHERE "+where, int64(handle))
}
