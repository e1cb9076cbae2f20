package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// A tableName identifies a table; schema is "" where the connector has none.
type tableName struct{ schema, table string }

func (n tableName) String() string {
	if n.schema == "" {
		return n.table
	}
	return n.schema + "." + n.table
}

// A table is one that the connector has described.
type table struct {
	name     tableName
	columns  []*sdk.Column // keys first
	keys     int
	excluded map[string]bool // columns that are not to be sent
	skipped  bool            // nothing of it is to be sent

	records   int64 // sent in this sync
	truncated bool
}

// selected returns the columns that are to be sent, keys first.
func (t *table) selected() []*sdk.Column {
	var all []*sdk.Column
	for _, c := range t.columns {
		if !t.excluded[c.Name] {
			all = append(all, c)
		}
	}
	return all
}

func (t *table) column(name string) *sdk.Column {
	for _, c := range t.columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func (p *platform) addSchemas(list *sdk.SchemaList) {
	for _, s := range list.GetSchemas() {
		if s.Name == "" {
			p.breaches.add("a schema has no name")
		}
		p.addTables(s.Name, s.Tables)
	}
}

// addTables checks tables and takes them in. One known already may have more
// columns now.
func (p *platform) addTables(schema string, tables []*sdk.Table) {
	seen := map[string]bool{}
	for _, described := range tables {
		t := &table{name: tableName{schema, described.Name}, excluded: map[string]bool{}}
		if described.Name == "" {
			p.breaches.add("a table has no name")
		}
		if seen[described.Name] {
			p.breaches.add("table %q is described twice", t.name)
		}
		seen[described.Name] = true
		p.checkColumns(t.name, described.Columns)
		for _, c := range described.Columns {
			if c.PrimaryKey {
				t.columns = append(t.columns, c)
			}
		}
		if t.keys = len(t.columns); t.keys == 0 {
			p.breaches.add("table %q has no primary key, which this runner needs", t.name)
		}
		for _, c := range described.Columns {
			if !c.PrimaryKey {
				t.columns = append(t.columns, c)
			}
		}
		if was := p.tables[t.name]; was != nil {
			t.excluded, t.skipped, t.records, t.truncated = was.excluded, was.skipped, was.records, was.truncated
		}
		p.tables[t.name] = t
	}
}

func (p *platform) checkColumns(name tableName, columns []*sdk.Column) {
	seen := map[string]bool{}
	for _, c := range columns {
		switch {
		case c.Name == "":
			p.breaches.add("table %q has a column without a name", name)
		case seen[c.Name]:
			p.breaches.add("table %q has two columns %q", name, c.Name)
		case strings.HasPrefix(c.Name, "_fivetran_"):
			p.breaches.add("column %q of table %q has a name that is the platform's", c.Name, name)
		}
		seen[c.Name] = true
		if _, ok := sqlTypes[c.Type]; !ok {
			p.breaches.add("column %q of table %q has the type %s, which a source may not use", c.Name, name, c.Type)
		}
	}
}

// deselect notes what is not to be sent.
func (p *platform) deselect(unsupported bool) error {
	if len(p.o.Deselect) > 0 && unsupported {
		return fmt.Errorf("%q cannot be deselected: the connector does not support it", p.o.Deselect[0])
	}
	for _, name := range p.o.Deselect {
		found := false
		for _, t := range p.tables {
			if t.name.String() == name {
				t.skipped, found = true, true
			}
			if column, ok := strings.CutPrefix(name, t.name.String()+"."); ok {
				c := t.column(column)
				if c == nil || c.PrimaryKey {
					return fmt.Errorf("%q cannot be deselected: it is no column, or part of the primary key", name)
				}
				t.excluded[column], found = true, true
			}
		}
		if !found {
			return fmt.Errorf("%q cannot be deselected: there is no such table; name a table, or a column as table.column", name)
		}
	}
	return nil
}

// selection returns the choice of tables and columns, nil for all.
func (p *platform) selection() *sdk.Selection {
	if len(p.o.Deselect) == 0 {
		return nil
	}
	bySchema := map[string][]*sdk.TableSelection{}
	for _, t := range p.tables {
		chosen := &sdk.TableSelection{Included: !t.skipped, TableName: t.name.table, Columns: map[string]bool{}, IncludeNewColumns: true}
		for _, c := range t.columns {
			chosen.Columns[c.Name] = !t.excluded[c.Name]
		}
		bySchema[t.name.schema] = append(bySchema[t.name.schema], chosen)
	}
	if !p.schemas {
		return &sdk.Selection{Selection: &sdk.Selection_WithoutSchema{WithoutSchema: &sdk.TablesWithNoSchema{Tables: bySchema[""], IncludeNewTables: true}}}
	}
	all := &sdk.TablesWithSchema{IncludeNewSchemas: true}
	for _, schema := range slices.Sorted(maps.Keys(bySchema)) {
		all.Schemas = append(all.Schemas, &sdk.SchemaSelection{Included: true, SchemaName: schema, Tables: bySchema[schema], IncludeNewTables: true})
	}
	return &sdk.Selection{Selection: &sdk.Selection_WithSchema{WithSchema: all}}
}
