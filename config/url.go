package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const urlForms = "redis://user:password@host:port/database, rediss:// for TLS, or unix://user:password@/path?db=database"

// A part is one setting that a url decides; an empty text leaves it without value.
type part struct{ key, text string }

// parseURL takes a url apart. The error is a clause that quotes nothing of a
// password.
func parseURL(s string) ([]part, error) {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("is no url that can be read: write " + urlForms + ", with %40 for @, %23 for # and the like in user and password")
	}
	var parts []part
	database := ""
	switch u.Scheme {
	case "redis", "rediss":
		if u.Hostname() == "" {
			return nil, errors.New("names no host: write " + urlForms)
		}
		parts = append(parts, part{"host", u.Hostname()}, part{"ssl", fmt.Sprint(u.Scheme == "rediss")}, part{"port", "6379"})
		if p := u.Port(); p != "" {
			parts[2].text = p
		}
		database = strings.Trim(u.Path, "/")
	case "unix":
		if u.Host != "" || len(u.Path) < 2 {
			return nil, errors.New("names no absolute path: write unix:///path or unix://user:password@/path")
		}
		parts = append(parts, part{"url", u.Path}, part{"host", ""}, part{"ssl", ""}, part{"port", ""})
	default:
		return nil, errors.New("is of no kind that is known: write " + urlForms)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("has a query that cannot be read: write ?db=database")
	}
	for name, values := range query {
		if name != "db" || len(values) > 1 || database != "" {
			return nil, errors.New("has more in its query than one ?db=database: TLS and the rest are settings of their own")
		}
		database = values[0]
	}
	if database != "" {
		parts = append(parts, part{"database", database})
	}
	if name := u.User.Username(); name != "" {
		parts = append(parts, part{"username", name})
	}
	if password, _ := u.User.Password(); password != "" {
		parts = append(parts, part{"password", password})
	}
	return parts, nil
}
