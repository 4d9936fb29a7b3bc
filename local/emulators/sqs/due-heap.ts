/** What a {@link DueHeap} orders; it keeps each item's position, so that any item leaves in logarithmic time. */
export interface DueItem {
  dueAt: number;
  heapIndex: number;
}

/** A binary heap by `dueAt`, earliest first. An item may be in one heap at a time. */
export class DueHeap<Item extends DueItem> {
  readonly #items: Item[] = [];

  peek(): Item | undefined {
    return this.#items[0];
  }

  add(item: Item): void {
    this.#place(item, this.#items.length);
    this.#rise(item);
  }

  remove(item: Item): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#place(last, item.heapIndex);
    this.#rise(last);
    this.#sink(last);
  }

  clear(): void {
    this.#items.length = 0;
  }

  #place(item: Item, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }

  #rise(item: Item): void {
    while (item.heapIndex > 0) {
      const parent = this.#items[(item.heapIndex - 1) >> 1];
      if (parent === undefined || parent.dueAt <= item.dueAt) return;
      this.#swap(item, parent);
    }
  }

  #sink(item: Item): void {
    for (;;) {
      const left = this.#items[item.heapIndex * 2 + 1];
      const right = this.#items[item.heapIndex * 2 + 2];
      const child = right !== undefined && left !== undefined && right.dueAt < left.dueAt ? right : left;
      if (child === undefined || child.dueAt >= item.dueAt) return;
      this.#swap(child, item);
    }
  }

  #swap(a: Item, b: Item): void {
    const index = a.heapIndex;
    this.#place(a, b.heapIndex);
    this.#place(b, index);
  }
}
