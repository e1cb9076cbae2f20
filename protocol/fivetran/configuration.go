package fivetran

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/keylift/keylift/config"
)

// configuration turns what the user filled in into a Config. The error is a
// *config.Error. Nothing in a value is expanded.
func configuration(filled map[string]string) (*config.Config, error) {
	var settings []config.Override
	uploads := map[string]string{}
	var wrong []string
	encrypted := strings.EqualFold(filled["ssl"], "true")
	for _, key := range slices.Sorted(maps.Keys(filled)) {
		value := filled[key]
		f := fieldOf(key)
		switch {
		case value == "", key == "port" && filled["sentinel_name"] != "": // the form fills in a port
		case f == nil:
			wrong = append(wrong, "the form has no field "+strconv.Quote(key)+": remove it from the configuration")
		case f.underTLS && !encrypted:
			// What is left in fields that no longer show.
		case f.choices != nil && !slices.ContainsFunc(f.choices, func(c choice) bool { return c.value == value }):
			wrong = append(wrong, key+" holds "+strconv.Quote(value)+", which the form does not offer: choose one of its values")
		case f.upload:
			text, ok := uploaded(value)
			if !ok {
				wrong = append(wrong, key+" is no PEM file: upload a file that begins with -----BEGIN")
			}
			uploads[key] = text
		default:
			for _, v := range listed(key, value) {
				settings = append(settings, config.Override{Key: key, Value: v})
			}
		}
	}
	if (uploads["tls_cert"] == "") != (uploads["tls_key"] == "") {
		wrong = append(wrong, "the client's certificate and its key go together: upload both or neither")
	}
	cfg, err := config.LoadForm(settings...)
	if err != nil {
		if e, ok := err.(*config.Error); ok { //nolint:errorlint // LoadForm documents it, unwrapped
			wrong = append(wrong, e.Mistakes...)
		}
	}
	if err == nil {
		wrong = append(wrong, fitTables(cfg)...)
	}
	if len(wrong) > 0 {
		return nil, &config.Error{Mistakes: wrong}
	}
	if err != nil {
		return nil, err
	}
	cfg.TLS.CAText, cfg.TLS.CertText, cfg.TLS.KeyText = uploads["tls_ca"], uploads["tls_cert"], config.NewSecret(uploads["tls_key"])
	return cfg, nil
}

// uploaded returns the text of an uploaded file, which comes in base64.
func uploaded(value string) (text string, ok bool) {
	if !strings.Contains(value, "-----BEGIN") {
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
		if err != nil {
			return "", false
		}
		value = string(b)
	}
	return value, strings.Contains(value, "-----BEGIN")
}

// listed splits the value of a setting that takes several, where it is written as
// a JSON list of texts.
func listed(key, value string) []string {
	if key != "key_pattern" && key != "exclude_pattern" {
		return []string{value}
	}
	var list []string
	if err := json.Unmarshal([]byte(value), &list); err != nil || len(list) == 0 {
		return []string{value}
	}
	return list
}
