import type { GroupRateLimits } from '@runner-core/fleeting'

/** Rows of one page of a list, and instances of one writing request. */
const [perPage, perRequest] = [500, 1000]

/**
 * 1,500 requests a minute per project and region in each group of methods (cloud.google.com/compute/api-quota, read in
 * part). Which method is in which group is [from memory]: what only reads one thing, or lists, is `read`;
 * `listManagedInstances`, a POST, and everything that writes is `default`. Google refills at the start of each minute,
 * so a burst may draw it all.
 */
export const rateLimits: GroupRateLimits = {
  buckets: { default: { size: 1500, perSecond: 25 }, read: { size: 1500, perSecond: 25 } },
  draws(operation, count) {
    const pages = Math.max(1, Math.ceil(count / perPage))
    const requests = Math.max(1, Math.ceil(count / perRequest))
    if (operation === 'list') return { default: pages }
    if (operation === 'describe') return { read: count }
    // The group is read first, and its operation waited for.
    if (operation === 'increase') return { default: requests + pages, read: requests }
    if (operation === 'decrease') return { default: requests, read: requests }
    // The group is read first, for its description, and its operation waited for.
    if (operation === 'claim') return { default: 1, read: 2 }
    return { read: 1 }
  },
}
