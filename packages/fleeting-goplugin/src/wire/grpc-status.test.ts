import { expect, test } from 'vitest'
import { grpcStatusOf } from './grpc-status.ts'

test.each([
  [{ 'grpc-status': '0' }, { code: 0, text: '' }],
  [
    { 'grpc-status': '0', 'grpc-message': '' },
    { code: 0, text: '' },
  ],
  [
    { 'grpc-status': '2', 'grpc-message': 'quota, 100%25 used: %C3%BCber' },
    { code: 2, text: 'quota, 100% used: über' },
  ],
  // Not as gRPC wants it: shown as it came.
  [
    { 'grpc-status': '2', 'grpc-message': '100% used' },
    { code: 2, text: '100% used' },
  ],
  [{}, undefined],
  [{ 'grpc-status': '' }, undefined],
  [{ 'grpc-status': 'fine' }, undefined],
])('%j', (trailers, status) => expect(grpcStatusOf(trailers)).toEqual(status))
