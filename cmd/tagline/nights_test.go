package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tagline/reconcile/oci/ocitest"
)

// TestNights makes each section of nights.md happen, and compares the last lines
// that a run prints with those of the section. A section begins with its exit code:
// "Exit code 1.". With -update the page gets what is printed.
func TestNights(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("nights.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	upstream := ocitest.Olareg(t)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	early := httptest.NewUnstartedServer(http.NotFoundHandler())
	early.TLS = notYetValid(t)
	early.Config.ErrorLog = log.New(io.Discard, "", 0)
	early.StartTLS()
	defer early.Close()
	denied := `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`
	unknown := `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`
	asJSON := []string{"Content-Type", "application/json"}
	nights := []struct {
		heading string
		fault   ocitest.Fault
		host    string   // instead of the registry
		args    []string // FULL is where nothing can be written
		exit    int
		changes bool // the run does something
	}{
		{heading: "Nothing listens", host: strings.TrimPrefix(closed.URL, "http://"), exit: 1},
		{heading: "The registry answers 503", fault: ocitest.Fault{Do: ocitest.Status(503)}, exit: 1},
		{heading: "The password has changed", fault: ocitest.Fault{Do: ocitest.Status(401)}, exit: 1},
		{heading: "The account may not push", fault: ocitest.Fault{Method: "PUT", Do: ocitest.Respond(403, denied, asJSON...)}, exit: 1},
		{heading: "Too many requests, for an hour", fault: ocitest.Fault{Do: ocitest.Status(429, "Retry-After", "3600")}, exit: 1},
		{heading: "One tag is refused", fault: ocitest.Fault{Method: "PUT", Path: "/manifests/other$", Do: ocitest.Respond(403, denied, asJSON...)}, exit: 1, changes: true},
		{heading: "An answer is lost", fault: ocitest.Fault{Method: "PUT", Path: "/manifests/10$", Do: ocitest.Reset()}, exit: 1, changes: true},
		{heading: "A source was deleted", fault: ocitest.Fault{Path: "/manifests/10.10$|/tags/list$", Do: gone(unknown)}, exit: 3, changes: true},
		{heading: "The disk is full: the report", args: []string{"-o", "json=FULL"}, exit: 1, changes: true},
		{heading: "The trash can't be written", args: []string{"--trash", "FULL/trash"}, exit: 1, changes: true},
		{heading: "The clock is wrong", host: strings.Replace(early.Listener.Addr().String(), "127.0.0.1", "localhost", 1), exit: 1},
	}
	for i, night := range nights {
		h := newHarness(t, upstream, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}[i]+"/my-image")
		host := h.proxy.Host
		if night.host != "" {
			host = night.host
		}
		if night.fault.Do != nil {
			h.proxy.Script(night.fault)
		}
		args := []string{"apply", "--registry", host, "--cache-dir", noCache, "-f", filepath.Join(h.dir, "images.yaml"), "--trash", filepath.Join(h.dir, "trash"), "--color", "never"}
		for _, arg := range night.args {
			args = append(args, strings.ReplaceAll(arg, "FULL", "/dev/full"))
		}
		var out lockedBuffer
		code := run(t.Context(), args, &out, &out)
		if code != night.exit {
			t.Errorf("%s: exit code %d, want %d\n%s", night.heading, code, night.exit, out.String())
		}
		h.proxy.Script()
		if after := tagsOf(t, upstream, h.repository); night.changes == maps.Equal(after, h.before) {
			t.Errorf("%s: changes %t, but tags were %v and are %v\n%s", night.heading, night.changes, h.before, after, out.String())
		}
		lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n")+"\n", "\n")
		got := strings.Join(lines[max(0, len(lines)-11):], "")
		for of, name := range map[string]string{host: "registry.example.com", h.repository: "my-image", h.dir + "/": ""} {
			got = strings.ReplaceAll(got, of, name)
		}
		for _, same := range [][2]string{
			{`current time \S+ is before [^\s;]+`, "current time 2026-01-02T03:04:05Z is before 2026-01-03T03:04:05Z"},
			{`time=\S+ `, ""}, {`wait_seconds=[0-9.e-]+`, "wait_seconds=1.2"},
			{`(error="|push \S+:10: )[^"\n]*(?:reset by peer|EOF|broken pipe|closed network connection)`, "${1}read tcp: connection reset by peer"},
		} {
			got = regexp.MustCompile(same[0]).ReplaceAllString(got, same[1])
		}
		section := regexp.MustCompile(`(?s)\n## ` + regexp.QuoteMeta(night.heading) + `\n\nExit code (\d)\.(.*?)\x60\x60\x60text\n(.*?)\x60\x60\x60`).FindStringSubmatchIndex(text)
		if section == nil {
			t.Errorf("nights.md has no section %q with an exit code and a text block", night.heading)
			continue
		}
		if told := text[section[2]:section[3]]; told != string(rune('0'+code)) {
			t.Errorf("%s: the page has exit code %s, not %d", night.heading, told, code)
		}
		if *update {
			text = text[:section[6]] + got + text[section[7]:]
		} else if want := text[section[6]:section[7]]; got != want {
			t.Errorf("%s: the last lines are\n%s\nthe page has\n%s", night.heading, got, want)
		}
	}
	if *update && text != string(page) {
		if err := os.WriteFile("nights.md", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// gone answers as a registry from which 10.10 was deleted.
func gone(unknown string) ocitest.Action {
	return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			_, _ = w.Write([]byte(`{"tags":["8","9","10","10.20"]}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(unknown))
	}
}

// notYetValid is a certificate of a day that has not come.
func notYetValid(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}
