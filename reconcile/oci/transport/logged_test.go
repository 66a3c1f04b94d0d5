package transport

import (
	"testing"
)

func TestWithoutSecrets(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", `{"errors":[{"code":"DENIED"}]}`, `{"errors":[{"code":"DENIED"}]}`},
		{"signed address", `see https://s3.test/a?X-Amz-Signature=sesame&x=1 now`, `see https://s3.test/a?[left out] now`},
		{"in JSON", `{"url":"https://s3.test/a?sig=sesame","b":1}`, `{"url":"https://s3.test/a?[left out]","b":1}`},
		{"token", `{"access_token":"sesame","n":1}`, `{"access_token":[left out],"n":1}`},
		{"escaped token", `{"m":"{\"token\": \"sesame\"}"}`, `{"m":"{\"token\": [left out]}"}`},
		{"form", `password=sesame&user=a`, `password=[left out]&user=a`},
		{"header", `Authorization: Bearer sesamesesame`, `Authorization: [left out] [left out]`},
		{"scheme", `got "Basic c2VzYW1lc2VzYW1l"`, `got "Basic [left out]"`},
		{"JWT", `bad eyJhbGciOi.eyJzZXNhbWU.c2lnbg!`, `bad [left out]!`},
		{"lines", "a\n\x1b[31mb\x00", "a [31mb"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := withoutSecrets(test.text); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}
