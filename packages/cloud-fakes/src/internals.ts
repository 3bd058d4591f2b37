/**
 * What tests of other packages take from the fakes. Not public: it exists under the condition `@runner-core/source`
 * only, which no installed package is resolved with.
 *
 * @module
 */

export { selfSignedCertificate } from './azure/certificate.ts'
export { authorityRoute } from './azure/token-endpoint.ts'
export { privateFile } from './conformance/private-file.ts'
