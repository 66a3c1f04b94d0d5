# Everything is installed into bin/, which git ignores. `make test` and
# `make lint` install what they need, at these versions and no others.
DISTRIBUTION_VERSION := v3.1.2
CRANE_VERSION        := v0.22.1
REGCTL_VERSION       := v0.11.7
GOLANGCI_VERSION     := v2.15.0
DEADCODE_VERSION     := v0.52.0
GOVULNCHECK_VERSION  := v1.4.0
ACTIONLINT_VERSION   := v1.7.12

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
BIN     := $(CURDIR)/bin
install  = GOBIN=$(BIN) GOFLAGS= $(GO) install

.PHONY: build test lint fmt demo bench vuln tools clean

build: ## bin/tagline, the same bytes wherever a commit is built with the same Go
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/tagline ./cmd/tagline

test: tools ## every test, on the embedded registry and on CNCF distribution
	$(GO) test -race ./...

lint: $(BIN)/golangci-lint-$(GOLANGCI_VERSION) $(BIN)/deadcode-$(DEADCODE_VERSION) $(BIN)/actionlint-$(ACTIONLINT_VERSION)
	$< run ./...
	$(GO) mod tidy -diff
	@dead=$$($(BIN)/deadcode-$(DEADCODE_VERSION) -test ./...) || exit 1; \
	if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi
	$(BIN)/actionlint-$(ACTIONLINT_VERSION) .github/examples/*.yml

fmt:
	gofmt -s -w cmd config policies reconcile

demo: ## the main job on an embedded registry
	@$(GO) run ./cmd/tagline demo -f images.yaml

bench: build tools $(BIN)/regctl-$(REGCTL_VERSION) ## requests, time and memory, with the floor and other tools beside them
	$(GO) test -count 1 -timeout 1h -run TestSideBySide -v ./cmd/tagline -benchmarks $(CURDIR)/reconcile/BENCHMARKS.md
	$(GO) test -run '^$$' -bench . -benchtime 3x ./...

vuln: $(BIN)/govulncheck-$(GOVULNCHECK_VERSION) ## known vulnerabilities in what the command calls; asks vuln.go.dev
	$< ./...

tools: $(BIN)/registry-$(DISTRIBUTION_VERSION) $(BIN)/crane-$(CRANE_VERSION)

clean:
	rm -rf $(BIN)

# The version is in the file's name, so that a new one is a new target; the
# plain name beside it is what the tests look for.
$(BIN)/registry-$(DISTRIBUTION_VERSION):
	$(install) github.com/distribution/distribution/v3/cmd/registry@$(DISTRIBUTION_VERSION)
	cp $(BIN)/registry $@

$(BIN)/crane-$(CRANE_VERSION):
	$(install) github.com/google/go-containerregistry/cmd/crane@$(CRANE_VERSION)
	cp $(BIN)/crane $@

$(BIN)/regctl-$(REGCTL_VERSION):
	$(install) github.com/regclient/regclient/cmd/regctl@$(REGCTL_VERSION)
	cp $(BIN)/regctl $@

$(BIN)/golangci-lint-$(GOLANGCI_VERSION):
	$(install) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(BIN)/golangci-lint $@

$(BIN)/actionlint-$(ACTIONLINT_VERSION):
	$(install) github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	mv $(BIN)/actionlint $@

$(BIN)/deadcode-$(DEADCODE_VERSION):
	$(install) golang.org/x/tools/cmd/deadcode@$(DEADCODE_VERSION)
	mv $(BIN)/deadcode $@

$(BIN)/govulncheck-$(GOVULNCHECK_VERSION):
	$(install) golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(BIN)/govulncheck $@
