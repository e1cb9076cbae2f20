package redis

import (
	"testing"

	"github.com/keylift/keylift/internal/testserver"
	"github.com/keylift/keylift/source"
	"github.com/keylift/keylift/source/sourcetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := testserver.Redis(t, testserver.Options{})
	fillStrings(t, clientOf(t, s), 12_345)
	sourcetest.Run(t, sourcetest.Fixture{
		Open:      func(t *testing.T) source.Source { return sourceOf(t, s) },
		Rows:      12_345,
		Resumable: true,
	})
}
