package ecr_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
)

// All repositories of an account are listed, over more than one page.
func TestRepositories(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	var want []string
	for i := range 1001 {
		name := fmt.Sprintf("team/app-%04d", i)
		if err := server.CreateRepository(name, types.ImageTagMutabilityMutable); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	client := ecr.New(ecr.Options{})
	defer client.Close()
	if got, err := client.Repositories(t.Context(), host); err != nil || !slices.Equal(got, want) {
		t.Errorf("%d repositories, %v", len(got), err)
	}

	server.Script(ecrtest.Fault{Operation: "DescribeRepositories", Do: ecrtest.Deny()})
	got, err := client.Repositories(t.Context(), host)
	if err == nil || !strings.HasPrefix(err.Error(), "list of repositories of "+host+": ") || !strings.Contains(err.Error(), "allow ecr:DescribeRepositories") || got != nil {
		t.Errorf("%q, %v", got, err)
	}
}
