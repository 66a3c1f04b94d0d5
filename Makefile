# Everything is installed into bin/, which git ignores. `make test` and
# `make lint` install what they need, at these versions and no others, and the
# registry at the version of its go.mod.
CRANE_VERSION        := v0.22.1
REGCTL_VERSION       := v0.11.7
GOLANGCI_VERSION     := v2.15.0
DEADCODE_VERSION     := v0.52.0
GOVULNCHECK_VERSION  := v1.4.0
ACTIONLINT_VERSION   := v1.7.12
MERMAID_VERSION      := 12.3.0
MERMAID_SHA256       := be0684e8d20bfc874df12c0f04927a5c482f57f2200eec54cca52a4583fd4040

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
BIN     := $(CURDIR)/bin
RACE    := $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)
REGISTRY = reconcile/oci/ocitest/registry
install  = GOBIN=$(BIN) GOFLAGS= $(GO) install

.PHONY: build extras module quick test test-all graphs lint fmt demo bench vuln tools clean

build: ## bin/tagline, the same bytes wherever a commit is built with the same Go
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)' -o $(BIN)/tagline ./cmd/tagline

extras: build ## shell completions and man pages, for packages: bin/extras
	rm -rf $(BIN)/extras
	mkdir -p $(BIN)/extras/completions
	for shell in bash fish zsh; do $(BIN)/tagline completion $$shell > $(BIN)/extras/completions/tagline.$$shell || exit 1; done
	$(BIN)/tagline man $(BIN)/extras/man

# The path is in go.mod, in the imports, and in the workflows that use the action.
module: ## publish tagline under a path of your own: make module MODULE=github.com/you/tagline
	@case '$(MODULE)' in */*) ;; *) echo 'name the path: make module MODULE=github.com/you/tagline'; exit 2;; esac
	old=$$($(GO) list -m) && \
	find cmd config policies reconcile -name '*.go' -exec sed -i.old "s#\"$$old/\(cmd\|config\|policies\|reconcile\)#\"$(MODULE)/\1#g" {} + && \
	find .github -name '*.yml' -exec sed -i.old 's#OWNER/tagline/#$(patsubst github.com/%,%,$(MODULE))/#' {} + && \
	find cmd config policies reconcile .github -name '*.old' -exec rm {} + && \
	$(GO) mod edit -module $(MODULE)

quick: ## the inner packages, in seconds
	$(GO) test ./config/... ./policies ./reconcile ./reconcile/registry/... ./reconcile/report/... ./reconcile/cache

# A commit has the same result everywhere: property tests draw from this seed. By
# themselves, `go test` has them draw anew each time.
export RAPID_SEED ?= $(or $(TAGLINE_TEST_SEED),1)

# The time limits are for a machine that does a lot else: a run takes minutes.
test: tools ## every test with the race detector, on the embedded registry and on CNCF distribution
	$(if $(RACE),,@echo 'The race detector needs cgo and a C compiler, which Go does not find: the tests run without it.')
	TAGLINE_TEST_TOOLS=1 $(GO) test $(RACE) -timeout 1h ./...

# Tests of these packages run a sample of their cases; here they run all.
test-all: test ## and then every cut, interleaving and fault, without the race detector
	TAGLINE_TEST_TOOLS=1 TAGLINE_TEST_ALL=1 $(GO) test -timeout 1h ./cmd/tagline ./config/compose ./reconcile $(addprefix ./reconcile/,ecr/... github google azure harbor report)

# Chromium and npm are Debian's: apt-get install chromium npm.
graphs: $(BIN)/mermaid-$(MERMAID_VERSION).min.js ## the graphs of random plans, drawn by the real Mermaid
	TAGLINE_TEST_MERMAID=1 $(GO) test -count 1 -v -run TestMermaid ./reconcile/report

lint: $(BIN)/golangci-lint-$(GOLANGCI_VERSION) $(BIN)/deadcode-$(DEADCODE_VERSION) $(BIN)/actionlint-$(ACTIONLINT_VERSION)
	$< run ./...
	$(GO) mod tidy -diff
	@dead=$$($(BIN)/deadcode-$(DEADCODE_VERSION) -test ./...) || exit 1; \
	if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi
	$(BIN)/actionlint-$(ACTIONLINT_VERSION) .github/examples/*.yml

fmt:
	gofmt -s -w cmd config policies reconcile

demo: ## the main job on an embedded registry
	@echo 'Compiling tagline. The first time takes about a minute, after a download of 60 MB.'
	@$(GO) run ./cmd/tagline demo -f images.yaml

bench: build tools $(BIN)/crane-$(CRANE_VERSION) $(BIN)/regctl-$(REGCTL_VERSION) ## requests, time and memory, with the floor and other tools beside them
	$(GO) test -count 1 -timeout 1h -run TestSideBySide -v ./cmd/tagline -benchmarks $(CURDIR)/reconcile/BENCHMARKS.md
	$(GO) test -run '^$$' -bench . -benchtime 3x ./...

vuln: $(BIN)/govulncheck-$(GOVULNCHECK_VERSION) ## known vulnerabilities in what the command calls; asks vuln.go.dev
	$< ./...

tools: $(BIN)/registry

clean:
	rm -rf $(BIN)

$(BIN)/registry: $(REGISTRY)/go.mod $(REGISTRY)/main.go
	@echo 'Building CNCF distribution into bin/, once. Beside those of tagline, its modules are a download of 25 MB,'
	@echo 'and take 115 MB in the module cache of Go. The build takes about a minute; it names what it compiles.'
	cd $(REGISTRY) && CGO_ENABLED=0 GOFLAGS= $(GO) build -v -o $@ .

# The version is in the file's name, so that a new one is a new target. The plain
# names of crane and regctl are what the benchmarks look for.
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

$(BIN)/mermaid-$(MERMAID_VERSION).min.js:
	mkdir -p $(BIN)
	cd $(BIN) && npm pack --silent mermaid@$(MERMAID_VERSION)
	echo '$(MERMAID_SHA256)  $(BIN)/mermaid-$(MERMAID_VERSION).tgz' | sha256sum -c -
	tar -xzOf $(BIN)/mermaid-$(MERMAID_VERSION).tgz package/dist/mermaid.min.js > $@.part
	mv $@.part $@
	rm $(BIN)/mermaid-$(MERMAID_VERSION).tgz

$(BIN)/deadcode-$(DEADCODE_VERSION):
	$(install) golang.org/x/tools/cmd/deadcode@$(DEADCODE_VERSION)
	mv $(BIN)/deadcode $@

$(BIN)/govulncheck-$(GOVULNCHECK_VERSION):
	$(install) golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(BIN)/govulncheck $@
