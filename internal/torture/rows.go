package torture

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Text is the documented form of a byte string.
func Text(s string) string {
	if utf8.ValidString(s) && !strings.ContainsRune(s, 0) && !strings.HasPrefix(s, "base64:") {
		return s
	}
	return "base64:" + base64.StdEncoding.EncodeToString([]byte(s))
}

// Quoted is the documented form in JSON.
func Quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(Text(s)); err != nil {
		panic(err) // texts always marshal
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// number writes a score as it stands in JSON.
func number(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return `"inf"`
	case math.IsInf(f, -1):
		return `"-inf"`
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// scores reads every number of a JSON text and writes it as number does: which of the
// shortest forms of a number stands there does not matter.
func scores(value string) string {
	var all [][2]any
	d := json.NewDecoder(strings.NewReader(value))
	if d.Decode(&all) != nil {
		return value
	}
	var parts []string
	for _, m := range all {
		name, _ := m[0].(string)
		score := value
		switch s := m[1].(type) {
		case float64:
			score = number(s)
		case string:
			score = strconv.Quote(s)
		}
		parts = append(parts, "["+jsonText(name)+","+score+"]")
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// jsonText writes a text that is in its documented form already.
func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // texts always marshal
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// json returns the value as the column value holds it.
func (v *Value) json() string {
	var parts []string
	for _, e := range v.Elements {
		switch v.Kind {
		case "hash":
			parts = append(parts, Quoted(e.Name)+":"+Quoted(e.Text))
		case "zset":
			parts = append(parts, "["+Quoted(e.Name)+","+number(e.Score)+"]")
		case "stream":
			parts = append(parts, "["+Quoted(e.Name)+","+e.fields()+"]")
		default:
			parts = append(parts, Quoted(e.Name))
		}
	}
	switch v.Kind {
	case "string":
		return Text(v.Text)
	case "hash":
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// fields writes the fields of an entry: an object, or pairs where one repeats.
func (e *Element) fields() string {
	var members, pairs []string
	met := map[string]bool{}
	for _, f := range e.Fields {
		members = append(members, Quoted(f.Field)+":"+Quoted(f.Value))
		pairs = append(pairs, "["+Quoted(f.Field)+","+Quoted(f.Value)+"]")
		met[f.Field] = true
	}
	if len(met) < len(e.Fields) {
		return "[" + strings.Join(pairs, ",") + "]"
	}
	return "{" + strings.Join(members, ",") + "}"
}

// size returns what the column size holds.
func (v *Value) size() int {
	if v.Kind == "string" {
		return len(v.Text)
	}
	return len(v.Elements)
}

// lastMillisecond is that of the year 9999, the last that warehouses have.
const lastMillisecond = 253_402_300_799_999

const null = "NULL"

// expires writes the expiry in microseconds.
func (v *Value) expires() string {
	if v.Expires < 0 {
		return null
	}
	return strconv.FormatInt(min(v.Expires, lastMillisecond)*1000, 10)
}

// A kindOfRows says which columns of a table are compared: first those of its key.
type kindOfRows struct {
	table   string
	keys    int // columns of the primary key
	owners  int // the first of them, which name the Redis key
	columns []string
	history bool
	adds    bool // rows may stay that the server has trimmed; their key does not
}

// rowsOf says what the rows of t are like, and of the default table if t is nil.
func rowsOf(t *Table, databases bool) kindOfRows {
	k := kindOfRows{table: "redis_data", columns: []string{"key"}}
	if t != nil {
		k.table, k.history = t.Name, t.History
	}
	if databases {
		k.columns = []string{"database", "key"}
	}
	k.keys, k.owners = len(k.columns), len(k.columns)
	if t == nil || t.Layout == "value" {
		k.columns = append(k.columns, "value", "data_type", "expires_at", "size")
	} else if t.Layout == "elements" {
		own := map[string][]string{"hash": {"field", "value"}, "list": {"position", "value"}, "set": {"member"}, "zset": {"member", "score"}, "stream": {"id", "ts", "fields"}}[t.Type]
		k.columns = append(k.columns, own...)
		k.keys++
		k.adds = t.Trim == "keep"
	} else {
		for _, c := range t.Columns {
			k.columns = append(k.columns, c.Field)
		}
		k.columns = append(k.columns, "_extra")
	}
	if t != nil {
		k.columns = append(k.columns, "n")
	}
	return k
}

// owner returns what the columns hold that name the Redis key.
func (k *kindOfRows) owner(p Place) []string {
	return []string{strconv.Itoa(p.Database), Text(p.Key)}[2-k.owners:]
}

// rows returns the rows that a key makes in a table, each with the columns of its kind.
func (v *Value) rows(t *Table, k *kindOfRows, p Place) (rows [][]string) {
	row := func(cells ...string) {
		cells = slices.Concat(k.owner(p), cells)
		if t != nil {
			n, _ := t.takes(p.Key, v.Kind)
			if _, whole := t.template(); whole {
				number, _ := strconv.ParseInt(n, 10, 64) // takes has parsed it
				n = strconv.FormatInt(number, 10)
			} else {
				n = Text(n)
			}
			cells = append(cells, n)
		}
		rows = append(rows, cells)
	}
	switch {
	case t == nil || t.Layout == "value":
		row(v.json(), v.Kind, v.expires(), strconv.Itoa(v.size()))
	case t.Layout == "columns":
		row(v.columns(t.Columns)...)
	default:
		for i, e := range v.Elements {
			switch v.Kind {
			case "hash":
				row(Text(e.Name), Text(e.Text))
			case "list":
				row(strconv.Itoa(i), Text(e.Name))
			case "set":
				row(Text(e.Name))
			case "zset":
				row(Text(e.Name), number(e.Score))
			case "stream":
				ms, _, _ := strings.Cut(e.Name, "-")
				row(e.Name, ms+"000", e.fields())
			}
		}
	}
	return rows
}

// columns returns what a hash has in columns, and in _extra.
func (v *Value) columns(columns []Column) []string {
	cells := make([]string, len(columns))
	for i := range cells {
		cells[i] = null
	}
	var extra []string
	for _, e := range v.Elements {
		i := slices.IndexFunc(columns, func(c Column) bool { return c.Field == e.Name })
		if i >= 0 {
			if cell, fits := columns[i].cell(e.Text); fits {
				cells[i] = cell
				continue
			}
		}
		extra = append(extra, Quoted(e.Name)+":"+Quoted(e.Text))
	}
	if len(extra) == 0 {
		return append(cells, null)
	}
	return append(cells, "{"+strings.Join(extra, ",")+"}")
}

// cell returns what a field's text is in the column, and whether it fits.
func (c Column) cell(s string) (string, bool) {
	switch c.Type {
	case "int":
		n, err := strconv.ParseInt(s, 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	case "double":
		f, err := strconv.ParseFloat(s, 64)
		return number(f), err == nil
	case "unix_s":
		n, err := strconv.ParseInt(s, 10, 64)
		at := time.Unix(n, 0)
		return strconv.FormatInt(at.UnixMicro(), 10), err == nil && n >= -62_135_596_800 && n <= lastMillisecond/1000
	}
	return Text(s), true
}
