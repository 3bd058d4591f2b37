/** What an item needs to be in an {@link IntrusiveList}; it is in at most one at a time. Only the list writes these. */
export interface ListItem<T> {
  next: T | undefined
  previous: T | undefined
}

/**
 * A doubly linked list whose links are in its items: adding, taking out from anywhere and counting cost O(1) and
 * allocate nothing.
 */
export class IntrusiveList<T extends ListItem<T>> {
  first: T | undefined = undefined
  last: T | undefined = undefined
  size = 0

  append(item: T): void {
    item.previous = this.last
    if (this.last === undefined) this.first = item
    else this.last.next = item
    this.last = item
    this.size++
  }

  prepend(item: T): void {
    item.next = this.first
    if (this.first === undefined) this.last = item
    else this.first.previous = item
    this.first = item
    this.size++
  }

  /** `item` must be in this list. */
  remove(item: T): void {
    if (item.previous === undefined) this.first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.last = item.previous
    else item.next.previous = item.previous
    item.previous = undefined
    item.next = undefined
    this.size--
  }
}
