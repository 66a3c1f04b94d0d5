package ecr

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/registry"
)

// HasBlobs costs one call per hundred digests (API_BatchCheckLayerAvailability,
// layerDigests). For ECR, a config is a layer.
//
// Errors: [registry.ErrNotFound] if there is no such repository.
func (r *reader) HasBlobs(ctx context.Context, digests []string) []registry.Answer[bool] {
	answers := make([]registry.Answer[bool], len(digests))
	place := map[string][]int{}
	var distinct []string // so that two batches do not ask about one digest
	for i, digest := range digests {
		if place[digest] == nil {
			distinct = append(distinct, digest)
		}
		place[digest] = append(place[digest], i)
	}
	r.all(distinct, func(batch []string) {
		layers, err := r.checkLayers(ctx, batch)
		for _, digest := range batch {
			answer := registry.Answer[bool]{Err: err}
			if availability, told := layers[digest]; told {
				answer.Value = availability == types.LayerAvailabilityAvailable
			} else if err == nil {
				answer.Err = fmt.Errorf("%s: ECR answered without it", r.subject(digest))
			}
			for _, i := range place[digest] {
				answers[i] = answer
			}
		}
	})
	return answers
}

func (r *reader) checkLayers(ctx context.Context, digests []string) (map[string]types.LayerAvailability, error) {
	api, err := r.reads(ctx)
	if err != nil {
		return nil, err
	}
	out, err := api.BatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{
		RegistryId: r.id(), RepositoryName: &r.Path, LayerDigests: digests,
	})
	if err != nil {
		return nil, r.failure(r.String(), err)
	}
	layers := map[string]types.LayerAvailability{}
	for _, l := range out.Layers {
		layers[aws.ToString(l.LayerDigest)] = l.LayerAvailability
	}
	return layers, nil
}
