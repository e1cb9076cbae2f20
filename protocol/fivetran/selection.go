package fivetran

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
	"github.com/keylift/keylift/row"
)

// A selection is the choice of tables and columns that the user made.
type selection struct{ tables *sdk.TablesWithNoSchema }

// newSelection returns the choice in a request; none chooses everything.
func newSelection(s *sdk.Selection) (selection, error) {
	if s.GetWithSchema() != nil {
		return selection{}, status.Error(codes.InvalidArgument, "the selection names schemas, and this connector has none; reload the schema in the connection's Schema tab")
	}
	return selection{s.GetWithoutSchema()}, nil
}

// encoder returns the encoder of what is chosen of t, nil if nothing is.
func (s selection) encoder(t *row.Table) *tableEncoder {
	if s.tables == nil {
		return newTableEncoder(t, func(string) bool { return true })
	}
	for _, chosen := range s.tables.Tables {
		if chosen.TableName != t.Name {
			continue
		}
		if !chosen.Included {
			return nil
		}
		return newTableEncoder(t, func(column string) bool {
			included, named := chosen.Columns[column]
			return included || !named && chosen.IncludeNewColumns
		})
	}
	if !s.tables.IncludeNewTables {
		return nil
	}
	return newTableEncoder(t, func(string) bool { return true })
}
