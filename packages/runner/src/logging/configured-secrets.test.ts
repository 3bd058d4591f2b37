import { expect, test } from 'vitest'
import { parseConfig } from '../config/parse-config.ts'
import { secretsOf } from './configured-secrets.ts'

test('the secrets of a configuration: tokens, passwords, what a plugin is told under such a name, and what jobs are given', () => {
  const { settings } = parseConfig(`[[runners]]
name = "a"
url = "http://127.0.0.1:9"
token = "glrt-one"
executor = "docker-autoscaler"
environment = ["DEPLOY_KEY=hunter-two", "DEBUG=true", "EMPTY="]
[runners.cache.s3]
AccessKey = "nine"
SecretKey = "ten"
SessionToken = "eleven"
[[runners.docker.services]]
name = "mysql"
environment = ["MYSQL_ROOT_PASSWORD=twelve", "MYSQL_DATABASE=test"]
[runners.autoscaler]
plugin = "static"
[runners.autoscaler.connector_config]
password = "three"
[runners.autoscaler.plugin_config]
secret = 5
api_token = "four"
[runners.autoscaler.plugin_config.instances.one]
internal_addr = "10.0.0.1"
password = "five"
private_key = "six"
[[runners.autoscaler.plugin_config.accounts]]
token = "seven"
token_path = "/etc/token"
secret = { client = "eight" }
`)
  expect([...secretsOf(settings)].sort()).toEqual([
    'eight',
    'eleven',
    'five',
    'four',
    'glrt-one',
    'hunter-two',
    'nine',
    'seven',
    'six',
    'ten',
    'three',
    'twelve',
  ])
})
