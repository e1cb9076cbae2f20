package fivetran

import (
	"fmt"

	"github.com/keylift/keylift/config"
)

// fitTables returns what the platform cannot do of the tables of cfg, and makes
// the reading mode one that suits them. Records are deleted by their whole key: of
// a key that changed, the elements that are gone are not known, so tables of
// elements take whole snapshots.
func fitTables(cfg *config.Config) []string {
	var wrong []string
	for _, t := range cfg.Tables {
		switch {
		case t.History:
			wrong = append(wrong, fmt.Sprintf("tables[%s].history is true: leave it out, and choose history mode for the table in Fivetran", t.Name))
		case t.NewFields == "add":
			wrong = append(wrong, fmt.Sprintf("tables[%s].new_fields is add: leave it out, for Fivetran has to know the columns beforehand; name the fields in columns", t.Name))
		case t.Layout == "elements" && cfg.Mode == "replica":
			wrong = append(wrong, fmt.Sprintf("tables[%s].layout is elements, which mode replica cannot keep right in Fivetran: choose mode scan", t.Name))
		case t.Layout == "elements":
			cfg.Mode = "scan"
		}
	}
	return wrong
}
