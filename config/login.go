package config

import "fmt"

// A secretFile is a file that a setting was read from.
type secretFile struct {
	setting string // that names the file: "password_file"
	file    string
	part    string // of a url in the file: the key of the setting; else ""
}

// ChangingLogin reports whether what to log in with may change: it comes from files,
// or from PasswordCommand.
func (c *Config) ChangingLogin() bool {
	_, username := c.files["username"]
	_, password := c.files["password"]
	return username || password || c.PasswordCommand.Reveal() != ""
}

// Login returns the user and the password to log in with: those from files as the
// files hold them now. The error is a sentence that holds no secret.
func (c *Config) Login() (username string, password Secret, err error) {
	if username, err = c.current("username", c.Username); err != nil {
		return "", Secret{}, err
	}
	word, err := c.current("password", c.Password.Reveal())
	if err != nil {
		return "", Secret{}, err
	}
	return username, NewSecret(word), nil
}

// current returns what the setting holds that was before when c was loaded.
func (c *Config) current(key, before string) (string, error) {
	from, ok := c.files[key]
	if !ok {
		return before, nil
	}
	held, err := readSecret(from.file)
	if err != nil {
		return "", fmt.Errorf("%s holds %q: %w", from.setting, from.file, err)
	}
	if from.part == "" {
		return held, nil
	}
	parts, err := parseURL(held)
	if err != nil {
		return "", fmt.Errorf("%s: what is in %q %w", from.setting, from.file, err)
	}
	for _, p := range parts {
		if p.key == key {
			return p.text, nil
		}
	}
	return "", nil
}
