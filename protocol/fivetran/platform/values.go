package platform

import (
	"database/sql/driver"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// sqlTypes are DuckDB's types of the columns that a source may have.
var sqlTypes = map[sdk.DataType]string{
	sdk.DataType_BOOLEAN:        "BOOLEAN",
	sdk.DataType_SHORT:          "SMALLINT",
	sdk.DataType_INT:            "INTEGER",
	sdk.DataType_LONG:           "BIGINT",
	sdk.DataType_DECIMAL:        "VARCHAR",
	sdk.DataType_FLOAT:          "FLOAT",
	sdk.DataType_DOUBLE:         "DOUBLE",
	sdk.DataType_NAIVE_DATE:     "DATE",
	sdk.DataType_NAIVE_DATETIME: "TIMESTAMP",
	sdk.DataType_UTC_DATETIME:   "TIMESTAMP WITH TIME ZONE",
	sdk.DataType_BINARY:         "BLOB",
	sdk.DataType_XML:            "VARCHAR",
	sdk.DataType_STRING:         "VARCHAR",
	sdk.DataType_JSON:           "VARCHAR",
}

func isNull(v *sdk.ValueType) bool {
	_, null := v.GetInner().(*sdk.ValueType_Null)
	return null
}

// kindOf returns the type that a value is sent as; UNSPECIFIED for none.
func kindOf(v *sdk.ValueType) sdk.DataType {
	switch v.GetInner().(type) {
	case *sdk.ValueType_Bool:
		return sdk.DataType_BOOLEAN
	case *sdk.ValueType_Short:
		return sdk.DataType_SHORT
	case *sdk.ValueType_Int:
		return sdk.DataType_INT
	case *sdk.ValueType_Long:
		return sdk.DataType_LONG
	case *sdk.ValueType_Float:
		return sdk.DataType_FLOAT
	case *sdk.ValueType_Double:
		return sdk.DataType_DOUBLE
	case *sdk.ValueType_NaiveDate:
		return sdk.DataType_NAIVE_DATE
	case *sdk.ValueType_NaiveDatetime:
		return sdk.DataType_NAIVE_DATETIME
	case *sdk.ValueType_UtcDatetime:
		return sdk.DataType_UTC_DATETIME
	case *sdk.ValueType_Decimal:
		return sdk.DataType_DECIMAL
	case *sdk.ValueType_Binary:
		return sdk.DataType_BINARY
	case *sdk.ValueType_String_:
		return sdk.DataType_STRING
	case *sdk.ValueType_Json:
		return sdk.DataType_JSON
	case *sdk.ValueType_Xml:
		return sdk.DataType_XML
	}
	return sdk.DataType_UNSPECIFIED
}

// fits reports whether a value may stand in a column of type t.
func fits(v *sdk.ValueType, t sdk.DataType) bool { return isNull(v) || kindOf(v) == t }

// argument returns a value as DuckDB takes it.
func argument(v *sdk.ValueType) driver.Value {
	switch v := v.GetInner().(type) {
	case *sdk.ValueType_Bool:
		return v.Bool
	case *sdk.ValueType_Short:
		return int16(v.Short)
	case *sdk.ValueType_Int:
		return v.Int
	case *sdk.ValueType_Long:
		return v.Long
	case *sdk.ValueType_Float:
		return v.Float
	case *sdk.ValueType_Double:
		return v.Double
	case *sdk.ValueType_NaiveDate:
		return v.NaiveDate.AsTime()
	case *sdk.ValueType_NaiveDatetime:
		return v.NaiveDatetime.AsTime()
	case *sdk.ValueType_UtcDatetime:
		return v.UtcDatetime.AsTime()
	case *sdk.ValueType_Decimal:
		return v.Decimal
	case *sdk.ValueType_Binary:
		return v.Binary
	case *sdk.ValueType_String_:
		return v.String_
	case *sdk.ValueType_Json:
		return v.Json
	case *sdk.ValueType_Xml:
		return v.Xml
	}
	return nil
}
