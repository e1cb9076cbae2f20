package platform

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/keylift/keylift/protocol/fivetran/sdk"
)

// The platform's limits.
const (
	maxRecords         = 100
	maxMessageBytes    = 128_000_000
	maxStateBytes      = 64 << 10
	maxCheckpointDelay = time.Hour
)

// breaches gathers what a connector does wrong, each sentence once.
type breaches struct{ all []string }

func (b *breaches) add(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.all, text) {
		b.all = append(b.all, text)
	}
}

func (b *breaches) err() error {
	if len(b.all) == 0 {
		return nil
	}
	return &BreachError{slices.Clone(b.all)}
}

// formFields yields the fields of a form and of the groups in it.
func formFields(fields []*sdk.FormField) iter.Seq[*sdk.FormField] {
	return func(yield func(*sdk.FormField) bool) {
		for _, f := range fields {
			group := f.GetConditionalFields()
			if group == nil {
				if !yield(f) {
					return
				}
				continue
			}
			for inner := range formFields(group.Fields) {
				if !yield(inner) {
					return
				}
			}
		}
	}
}

// checkForm checks the setup form.
func checkForm(b *breaches, form *sdk.ConfigurationFormResponse) {
	names := map[string]*sdk.FormField{}
	for f := range formFields(form.Fields) {
		if f.Name == "" || f.Label == "" {
			b.add("field %q of the form, labelled %q, lacks a name or a label", f.Name, f.Label)
		}
		if names[f.Name] != nil {
			b.add("the form has two fields %q", f.Name)
		}
		names[f.Name] = f
		checkField(b, f)
	}
	checkConditions(b, form.Fields, names)
	tests := map[string]bool{}
	for _, t := range form.Tests {
		if t.Name == "" || t.Label == "" || tests[t.Name] {
			b.add("test %q of the form, labelled %q, lacks a name or a label of its own", t.Name, t.Label)
		}
		tests[t.Name] = true
	}
}

func checkField(b *breaches, f *sdk.FormField) {
	var choices []string
	switch typ := f.Type.(type) {
	case nil:
		b.add("field %q of the form has no type", f.Name)
	case *sdk.FormField_DropdownField:
		choices = typ.DropdownField.GetDropdownField()
	case *sdk.FormField_DescriptiveDropdownFields:
		for _, c := range typ.DescriptiveDropdownFields.GetDescriptiveDropdownField() {
			choices = append(choices, c.Value)
			if c.Value == "" || c.Label == "" {
				b.add("a choice of field %q lacks a value or a label", f.Name)
			}
		}
	case *sdk.FormField_UploadField:
		if len(typ.UploadField.GetAllowedFileType()) == 0 || typ.UploadField.GetMaxFileSizeBytes() <= 0 {
			b.add("field %q of the form takes no file: it needs types and a size", f.Name)
		}
		return
	default:
		return
	}
	if f.Type != nil && len(choices) == 0 {
		b.add("field %q of the form has nothing to choose from", f.Name)
	}
	if f.DefaultValue != nil && !slices.Contains(choices, f.GetDefaultValue()) {
		b.add("the default of field %q is not among its choices", f.Name)
	}
}

// checkConditions checks that groups depend on fields that are there.
func checkConditions(b *breaches, fields []*sdk.FormField, names map[string]*sdk.FormField) {
	for _, f := range fields {
		group := f.GetConditionalFields()
		if group == nil {
			continue
		}
		on := group.GetCondition().GetConditionField()
		if names[on] == nil {
			b.add("group %q of the form depends on %q, which is no field", f.Name, on)
		}
		if group.GetCondition().GetVisibleWhen() == nil {
			b.add("group %q of the form does not say when it shows", f.Name)
		}
		if len(group.Fields) == 0 {
			b.add("group %q of the form is empty", f.Name)
		}
		checkConditions(b, group.Fields, names)
	}
}

// A checker checks the operations of one sync, in order.
type checker struct {
	platform *platform
	breaches *breaches
	now      func() time.Time
	resumed  bool

	last      time.Time // of the last checkpoint, or of the beginning
	warned    bool      // a warning has come: the connector has said what is special
	unsettled int64     // records since the last checkpoint
}

// table returns the table of a record, nil after a breach.
func (c *checker) table(r *sdk.Record) *table {
	if c.platform.schemas && r.GetSchemaName() == "" {
		c.breaches.add("a record of table %q names no schema", r.TableName)
		return nil
	}
	t := c.platform.tables[tableName{r.GetSchemaName(), r.TableName}]
	switch {
	case t == nil:
		c.breaches.add("a record is of table %q, which the schema does not have", tableName{r.GetSchemaName(), r.TableName})
	case t.skipped:
		c.breaches.add("a record is of table %q, which was deselected", t.name)
	default:
		return t
	}
	return nil
}

// records checks one message of records.
func (c *checker) records(records []*sdk.Record) {
	if len(records) > maxRecords {
		c.breaches.add("a message holds %d records: %d are allowed", len(records), maxRecords)
	}
	c.late()
	for _, r := range records {
		t := c.table(r)
		if t == nil {
			continue
		}
		c.unsettled++
		switch r.Type {
		case sdk.RecordType_TRUNCATE:
			c.truncate(t)
		case sdk.RecordType_UPSERT, sdk.RecordType_UPDATE, sdk.RecordType_DELETE:
			t.records++
			c.data(t, r)
		default:
			c.breaches.add("a record of table %q has the unknown type %d", t.name, r.Type)
		}
	}
}

// truncate checks a TRUNCATE: it comes first in a snapshot, once. A snapshot that
// has to start over is announced by a warning.
func (c *checker) truncate(t *table) {
	switch {
	case c.warned:
	case t.truncated:
		c.breaches.add("table %q is truncated twice in one sync, and no warning says why", t.name)
	case t.records > 0:
		c.breaches.add("table %q is truncated behind records of the same sync, and no warning says why", t.name)
	case c.resumed:
		c.breaches.add("table %q is truncated although the sync resumes an unfinished one, and no warning says why", t.name)
	}
	t.truncated = true
}

// data checks the columns of a record.
func (c *checker) data(t *table, r *sdk.Record) {
	for i, col := range t.columns {
		v, there := r.Data[col.Name]
		switch {
		case there && t.excluded[col.Name]:
			c.breaches.add("%s of table %q carries column %q, which was deselected", r.Type, t.name, col.Name)
		case i < t.keys && (!there || isNull(v)):
			c.breaches.add("%s of table %q has no value in %q, a column of the primary key", r.Type, t.name, col.Name)
		case !there && r.Type == sdk.RecordType_UPSERT && !t.excluded[col.Name]:
			c.breaches.add("UPSERT of table %q lacks column %q: an absent column becomes NULL", t.name, col.Name)
		case there && !fits(v, col.Type):
			c.breaches.add("%s of table %q has a %s in column %q, which is %s", r.Type, t.name, kindOf(v), col.Name, col.Type)
		}
	}
	for name := range r.Data {
		if t.column(name) == nil {
			c.breaches.add("%s of table %q carries column %q, which the schema does not have", r.Type, t.name, name)
		}
	}
}

// checkpoint checks a checkpoint's state.
func (c *checker) checkpoint(state string) {
	c.late()
	switch {
	case !json.Valid([]byte(state)):
		c.breaches.add("the state of a checkpoint is not JSON")
	case len(state) > maxStateBytes:
		c.breaches.add("the state of a checkpoint has %d bytes: keep it below %d, it is stored after every checkpoint", len(state), maxStateBytes)
	}
	c.last, c.unsettled = c.now(), 0
}

// late checks that checkpoints come often enough.
func (c *checker) late() {
	if since := c.now().Sub(c.last); since > maxCheckpointDelay {
		c.breaches.add("no checkpoint came for more than %s", maxCheckpointDelay)
	}
}

// end checks what is left when a sync ends well.
func (c *checker) end() {
	if c.unsettled > 0 {
		c.breaches.add("the sync ends with %d records behind its last checkpoint", c.unsettled)
	}
}
