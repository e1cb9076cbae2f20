package fivetran

import (
	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
)

// dataTypes are the platform's types of columns.
var dataTypes = map[row.Type]sdk.DataType{
	row.Boolean:     sdk.DataType_BOOLEAN,
	row.Int:         sdk.DataType_LONG,
	row.Double:      sdk.DataType_DOUBLE,
	row.Decimal:     sdk.DataType_DECIMAL,
	row.UTCDateTime: sdk.DataType_UTC_DATETIME,
	row.String:      sdk.DataType_STRING,
	row.JSON:        sdk.DataType_JSON,
}

// schemaOf describes tables to the platform.
func schemaOf(tables []*row.Table) *sdk.TableList {
	list := &sdk.TableList{}
	for _, t := range tables {
		described := &sdk.Table{Name: t.Name}
		for c, col := range t.Columns {
			described.Columns = append(described.Columns, &sdk.Column{
				Name: col.Name, Type: dataTypes[col.Type], PrimaryKey: c < t.Keys,
			})
		}
		list.Tables = append(list.Tables, described)
	}
	return list
}
