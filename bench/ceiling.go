package main

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"
)

const (
	ceilingCount    = 1000 // keys of a SCAN page, and of a pipeline
	ceilingInFlight = 4
)

// connect returns a client that does nothing of its own accord.
func connect(address string) (rueidis.Client, error) {
	return rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true, ForceSingleClient: true,
	})
}

// readCeiling is the most that reading by these commands can reach: SCAN, and for each
// page one pipeline of DUMP and PTTL, four of them in flight. The answers are
// thrown away. It returns the number of keys.
func readCeiling(ctx context.Context, address string) (int, error) {
	client, err := connect(address)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	pages := make(chan []string, ceilingInFlight)
	g, ctx := errgroup.WithContext(ctx)
	keys := 0
	g.Go(func() error {
		defer close(pages)
		return scan(ctx, client, ceilingCount, func(page []string) error {
			keys += len(page)
			select {
			case pages <- page:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for range ceilingInFlight {
		g.Go(func() error {
			client, err := connect(address)
			if err != nil {
				return err
			}
			defer client.Close()
			for page := range pages {
				commands := make(rueidis.Commands, 0, 2*len(page))
				for _, key := range page {
					commands = append(commands, client.B().Dump().Key(key).Build(), client.B().Pttl().Key(key).Build())
				}
				for _, answer := range client.DoMulti(ctx, commands...) {
					if err := answer.Error(); err != nil {
						return fmt.Errorf("DUMP and PTTL: %w", err)
					}
				}
			}
			return nil
		})
	}
	return keys, g.Wait()
}

// scan hands the names of all keys to visit, page by page.
func scan(ctx context.Context, client rueidis.Client, count int64, visit func(page []string) error) error {
	for cursor := uint64(0); ; {
		entry, err := client.Do(ctx, client.B().Scan().Cursor(cursor).Count(count).Build()).AsScanEntry()
		if err != nil {
			return fmt.Errorf("SCAN: %w", err)
		}
		if err := visit(entry.Elements); err != nil {
			return err
		}
		if cursor = entry.Cursor; cursor == 0 {
			return nil
		}
	}
}
