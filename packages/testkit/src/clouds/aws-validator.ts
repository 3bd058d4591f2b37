import { fileURLToPath } from 'node:url'

/** The Python program that holds requests and answers against botocore's models. */
export const awsValidator: string = fileURLToPath(new URL('../../validators/aws.py', import.meta.url))
