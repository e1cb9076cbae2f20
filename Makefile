# keylift: build, test and try. Each target works on a fresh clone.

export GOFLAGS := $(GOFLAGS) -buildvcs=false
VERSION = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The packages to test; those whose tests link DuckDB take long to link, so only
# the others are run with the race detector.
PACKAGES ?= ./...
LINKED = $(shell go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | sed -n '/duckdb-go/s/\.test .*//p')
RACED = $(filter-out $(LINKED),$(shell go list ./...))

RUNS ?= 200
SEED ?= 1
DURATION ?= 24h

.PHONY: build demo test torture linked check fmt vet lint race fuzz bench proto vuln tools clean

build: ## bin/keylift, and bin/server: the Fivetran connector, static and without DuckDB
	@scripts/need go g++
	go build -ldflags '-X main.version=$(VERSION)' -o bin/keylift ./cmd/keylift
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/server ./cmd/server

demo: build ## a small game world in a real server, synced as it goes on into warehouse.db, with a report
	@scripts/need redis-server || true
	bin/keylift demo

test: ## the whole suite; REQUIRE_SERVERS=1 makes a missing server a failure
	@scripts/need go g++
	@scripts/need redis-server || test -z "$(REQUIRE_SERVERS)"
	go test -timeout 10m $(PACKAGES)

torture: ## RUNS runs from seed SEED on, for DURATION at the most: random tables, writes and faults, compared at the end; PLAN=1 prints what they do
	@scripts/need go g++ redis-server
	cd cmd/keylift && KEYLIFT_RUNS=$(RUNS) KEYLIFT_SEED=$(SEED) KEYLIFT_DURATION=$(DURATION) KEYLIFT_PLAN=$(PLAN) go test -count 1 -run '^TestTorture$$' -timeout 0

linked: ## names the packages whose tests link DuckDB, which check does not run
	@echo $(LINKED)

check: fmt vet lint race fuzz ## what a change must pass, besides test

fmt: bin/gofumpt
	@diff=$$(bin/gofumpt -d .); if [ -n "$$diff" ]; then echo "$$diff"; echo "run bin/gofumpt -w ."; exit 1; fi

vet:
	@scripts/need go g++
	go vet ./...

lint: bin/golangci-lint
	bin/golangci-lint run ./...

race:
	@scripts/need go g++
	@scripts/need redis-server || test -z "$(REQUIRE_SERVERS)"
	go test -race -timeout 10m $(RACED)

fuzz: ## every fuzz test, about 30 seconds in all
	scripts/fuzz 25000

bench: build ## the benchmark: ceilings and keylift in one run
	@scripts/need redis-server
	go run ./bench

proto: ## the code generated from protocol/fivetran/sdk/connector.proto
	@scripts/need go
	cd tools && go run ./protogen ../protocol/fivetran/sdk connector.proto

vuln: bin/govulncheck ## known vulnerabilities in what keylift is made of, where their database can be reached
	scripts/vuln bin/govulncheck ./...

tools: bin/gofumpt bin/golangci-lint

bin/gofumpt: tools/go.mod tools/go.sum
	@scripts/need go
	cd tools && go build -o ../bin/ mvdan.cc/gofumpt

bin/golangci-lint: tools/go.mod tools/go.sum
	@scripts/need go
	cd tools && go build -o ../bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/govulncheck: tools/go.mod tools/go.sum
	@scripts/need go
	cd tools && go build -o ../bin/ golang.org/x/vuln/cmd/govulncheck

clean:
	rm -rf bin
