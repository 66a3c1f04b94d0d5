package main

import (
	"fmt"
	"strings"
	"testing"

	"tagline/config"
)

func TestParseShard(t *testing.T) {
	for _, test := range []struct {
		text, index string
		want        shard
		err         string
	}{
		{text: "0/4", want: shard{0, 4}},
		{text: "3/4", index: "1", want: shard{3, 4}},
		{text: "4", index: "3", want: shard{3, 4}},
		{text: "0/1", want: shard{0, 1}},
		{text: "4", err: "JOB_COMPLETION_INDEX is not set; say which part, as in 0/4"},
		{text: "4/4", err: "part 4 is not one of 0 to 3"},
		{text: "4", index: "4", err: "part 4 is not one of 0 to 3"},
		{text: "-1/4", err: "part -1 is not one of 0 to 3"},
		{text: "0/0", err: "there are no 0 parts"},
		{text: "0/-2", err: "there are no -2 parts"},
		{text: "a/4", err: "expected I/N"},
		{text: "1/2/3", err: "expected I/N"},
		{text: "", index: "1", err: "expected I/N"},
	} {
		t.Run(test.text+" "+test.index, func(t *testing.T) {
			t.Setenv("JOB_COMPLETION_INDEX", test.index)
			got, err := parseShard(test.text)
			switch {
			case test.err == "" && (err != nil || got != test.want):
				t.Errorf("got %v, %v, want %v", got, err, test.want)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)):
				t.Errorf("got %v, %v, want an error with %q", got, err, test.err)
			}
		})
	}
}

// Every repository is in one part, in the same one for ever, and the parts are
// of about the same size.
func TestShards(t *testing.T) {
	var images []config.Image
	for i := range 1000 {
		images = append(images, config.Image{Repository: config.Repository{Host: "registry.example.com", Path: fmt.Sprintf("team/app-%d", i)}})
	}
	for _, count := range []int{1, 2, 4, 7} {
		seen := map[config.Repository]int{}
		for index := range count {
			part := shard{index, count}.keep(images)
			for _, image := range part {
				seen[image.Repository]++
			}
			if n, share := float64(len(part)), 1000/float64(count); n > 1.3*share || n < share/1.3 {
				t.Errorf("part %d of %d has %v of 1000 repositories", index, count, n)
			}
		}
		for _, image := range images {
			if seen[image.Repository] != 1 {
				t.Errorf("%s is in %d of %d parts", image.Repository, seen[image.Repository], count)
			}
		}
	}
	for path, want := range map[string]int{"my-image": 2, "base/image": 1, "team/app": 0} { // by sha256sum
		image := config.Image{Repository: config.Repository{Host: "localhost:5000", Path: path}}
		for index := range 4 {
			if got := len(shard{index, 4}.keep([]config.Image{image})) == 1; got != (index == want) {
				t.Errorf("%s is in part %d: %v", path, index, got)
			}
		}
	}
}
