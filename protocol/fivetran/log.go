package fivetran

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
)

// NewLogger returns a logger that writes to w as the platform reads it: one JSON
// object a line, with level, message and message-origin. Attributes stand in the
// message. Where the platform names the account and the group, they are added.
func NewLogger(w io.Writer) *slog.Logger {
	h := &logHandler{shared: &logOutput{w: w}}
	h.text = slog.NewTextHandler(&h.shared.attrs, &slog.HandlerOptions{ReplaceAttr: attrsAlone})
	log := slog.New(h)
	for attr, variable := range map[string]string{"account": "FIVETRAN_ACCOUNT_NAME", "group": "FIVETRAN_GROUP_NAME"} {
		if name := os.Getenv(variable); name != "" {
			log = log.With(attr, name)
		}
	}
	return log
}

// attrsAlone drops what a line holds otherwise.
func attrsAlone(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && slices.Contains([]string{slog.TimeKey, slog.LevelKey, slog.MessageKey}, a.Key) {
		return slog.Attr{}
	}
	return a
}

// A logHandler writes the platform's form of log lines.
type logHandler struct {
	shared *logOutput
	text   slog.Handler // writes attributes to shared.attrs
}

type logOutput struct {
	mu    sync.Mutex
	w     io.Writer
	attrs bytes.Buffer
}

// A logLine is what the platform reads.
type logLine struct {
	Level   string `json:"level"`
	Message string `json:"message"`
	Origin  string `json:"message-origin"`
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	line := logLine{Level: "INFO", Message: r.Message, Origin: "sdk_connector"}
	switch {
	case r.Level >= slog.LevelError:
		line.Level = "SEVERE"
	case r.Level >= slog.LevelWarn:
		line.Level = "WARNING"
	}
	out := h.shared
	out.mu.Lock()
	defer out.mu.Unlock()
	out.attrs.Reset()
	if err := h.text.Handle(ctx, r); err != nil {
		return err
	}
	if attrs := strings.TrimSpace(out.attrs.String()); attrs != "" {
		line.Message += ": " + attrs
	}
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = out.w.Write(append(text, '\n'))
	return err
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{shared: h.shared, text: h.text.WithAttrs(attrs)}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{shared: h.shared, text: h.text.WithGroup(name)}
}

// warnings gathers what the user should know of a sync, each kind once. It may be
// used by several goroutines.
type warnings struct {
	mu      sync.Mutex
	seen    map[string]bool
	waiting []string
}

// maxWarnings bounds the warnings of one sync.
const maxWarnings = 50

func newWarnings() *warnings { return &warnings{seen: map[string]bool{}} }

// add adds a warning unless there was one of the same text.
func (w *warnings) add(text string) { w.addKind(text, text) }

func (w *warnings) addKind(kind, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[kind] || len(w.seen) == maxWarnings {
		return
	}
	w.seen[kind] = true
	w.waiting = append(w.waiting, strings.ToValidUTF8(text, "\uFFFD"))
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.waiting
	w.waiting = nil
	return all
}

// A warningHandler passes log records on and lets warnings among them be sent to
// the platform as well.
type warningHandler struct {
	slog.Handler
	warnings *warnings
}

func (h warningHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		kind, text := r.Message, r.Message
		r.Attrs(func(a slog.Attr) bool {
			text += ", " + a.Key + ": " + a.Value.String()
			if a.Key == "type" { // of a key: each is told
				kind += a.Value.String()
			}
			return true
		})
		h.warnings.addKind(kind, text)
	}
	return h.Handler.Handle(ctx, r)
}

func (h warningHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warningHandler{h.Handler.WithAttrs(attrs), h.warnings}
}

func (h warningHandler) WithGroup(name string) slog.Handler {
	return warningHandler{h.Handler.WithGroup(name), h.warnings}
}
