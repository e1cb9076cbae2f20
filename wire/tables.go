package wire

import (
	"errors"

	"github.com/keylift/keylift/config"
	"github.com/keylift/keylift/table"
	"github.com/keylift/keylift/value"
)

// tableSpecs returns what the tables of cfg are. The error is a *config.Error that
// lists every table that cannot be.
func tableSpecs(cfg *config.Config) ([]table.Spec, error) {
	o := table.Options{
		Default: cfg.TableName, Skip: cfg.Unmatched == "skip",
		Databases: cfg.Databases.All || len(cfg.Databases.Numbers) > 1,
	}
	var specs []table.Spec
	var wrong config.Error
	for i := range cfg.Tables {
		t := &cfg.Tables[i]
		template, err := table.ParseTemplate(t.Keys)
		if err != nil {
			wrong.Mistakes = append(wrong.Mistakes, "tables["+t.Name+"].keys "+err.Error())
			continue
		}
		s := table.Spec{
			Name: t.Name, Template: template, Layout: layouts[t.Layout], Type: types[t.Type],
			Add: t.NewFields == "add", History: t.History, Mirror: t.Trim == "mirror",
		}
		for _, c := range t.Columns {
			format, _ := table.ParseFormat(c.Type) // config knows the same
			s.Fields = append(s.Fields, table.Field{Name: c.Field, Column: c.Name, Format: format, Default: c.Default})
		}
		if _, err := table.NewPlan([]table.Spec{s}, o); err != nil {
			if of, ok := errors.AsType[*table.SpecError](err); ok {
				err = of.Err
			}
			wrong.Mistakes = append(wrong.Mistakes, "tables["+t.Name+"]: "+err.Error())
		}
		specs = append(specs, s)
	}
	if len(wrong.Mistakes) > 0 {
		return nil, &wrong
	}
	return specs, nil
}

var layouts = byName(table.Values, table.Columns, table.Elements)

// types has no name for keys of any type, which is the zero Type.
var types = byName(value.String, value.Hash, value.List, value.Set, value.SortedSet, value.Stream, value.JSON, value.TimeSeries)

func byName[T interface {
	comparable
	String() string
}](all ...T) map[string]T {
	names := make(map[string]T, len(all))
	for _, t := range all {
		names[t.String()] = t
	}
	return names
}
